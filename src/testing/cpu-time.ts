// What a computation costs, whatever else the machine is doing: the CPU time of this thread alone.

/** Milliseconds of CPU that this thread spends on it, garbage collection on other threads not included. */
export function cpuMsOf(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
