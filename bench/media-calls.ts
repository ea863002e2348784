// Calls on a media server over the ng protocol, as a switch would open them: offer, answer, start recording, delete.
import type { MediaServer } from './media-servers.ts';
import { type Endpoint, partyAddress } from './rtp-kernel.ts';

/** Calls that are opened at the same time. */
const AT_ONCE = 8;

function describe(address: string, port: number): string {
  const lines = ['v=0', `o=- 1 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
  return `${[...lines, `m=audio ${port} RTP/AVP 8`].join('\r\n')}\r\n`;
}

function audioPort(sdp: string | undefined): number {
  return Number(/m=audio (\d+)/.exec(sdp ?? '')?.[1]);
}

function idsOf(name: string) {
  return { 'call-id': name, 'from-tag': `${name}-a`, 'to-tag': `${name}-b` };
}

/** Opens one call between parties `first` and `first + 1`, recorded. @returns where each of them sends to */
export async function openCall(
  { ng, host }: MediaServer,
  name: string,
  first: number,
  port: number,
): Promise<[Endpoint, Endpoint]> {
  const { 'to-tag': toTag, ...from } = idsOf(name);
  const a = describe(partyAddress(first), port);
  const b = describe(partyAddress(first + 1), port);
  const toB = await ng.request({ command: 'offer', ...from, sdp: a });
  const toA = await ng.request({ command: 'answer', ...from, 'to-tag': toTag, sdp: b });
  await ng.request({ command: 'start recording', ...from });
  return [
    { address: host, port: audioPort(toA.sdp) },
    { address: host, port: audioPort(toB.sdp) },
  ];
}

export async function closeCall({ ng }: MediaServer, name: string): Promise<void> {
  const { 'call-id': id, 'from-tag': tag } = idsOf(name);
  await ng.request({ command: 'delete', 'call-id': id, 'from-tag': tag, 'delete-delay': 0 });
}

/** Opens `count` calls. @returns the targets of the parties, those of call n at 2n and 2n + 1 */
export async function openCalls(server: MediaServer, count: number, port: number): Promise<Endpoint[]> {
  const targets: Endpoint[][] = [];
  await forEach(count, async (n) => {
    targets[n] = await openCall(server, `steady-${n}`, 2 * n, port);
  });
  return targets.flat();
}

/** Closes what {@link openCalls} has opened. */
export async function closeCalls(server: MediaServer, count: number): Promise<void> {
  await forEach(count, (n) => closeCall(server, `steady-${n}`));
}

async function forEach(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}
