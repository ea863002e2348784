// An independent witness of the media: dumpcap on loopback, read by tshark. It tells when each stream was sent.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BUFFER_MIB = 128;
const PACKET_MS = 20;
/** What has fewer packets is no stream: a SIP message of the size of an RTP packet. */
const LEAST_PACKETS = 10;
/** The packets of a stream's first second. */
const FIRST_PACKETS = 50;

/** False, or the reason to skip a test. */
export const noWitness: string | false =
  spawnSync('dumpcap', ['-D']).status === 0 && spawnSync('tshark', ['-v']).error === undefined
    ? false
    : 'dumpcap (tshark) is not installed, or may not capture';

/** One RTP stream as it was sent to the media server; times in milliseconds since 1970. */
export interface WitnessedStream {
  source: string;
  destinationPort: number;
  /**
   * When its media began: its first packet's time, unless a packet of the first second shows that the sender was late
   * with it. A sender that is held up sends the packets it owes at once, and their RTP time does not move.
   */
  start: number;
  /** When its last packet was sent, and the time of one packet. */
  end: number;
  packets: number;
}

export interface Witness {
  /** Stops and tells what it saw, in order of start. */
  streams(): Promise<WitnessedStream[]>;
}

/** Watches RTP sent from these addresses. Resolves when it sees. */
export async function watch(sources: readonly string[]): Promise<Witness> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-witness-'));
  const file = join(directory, 'lo.pcap');
  const filter = `udp and greater 180 and (${sources.map((source) => `src host ${source}`).join(' or ')})`;
  // Header fields suffice: 60 bytes hold Ethernet, IP, UDP and RTP headers.
  const argv = ['-i', 'lo', '-f', filter, '-s', '60', '-B', `${BUFFER_MIB}`, '-P', '-w', file];
  const dumpcap = spawn('dumpcap', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(dumpcap, 'close');
  for await (const line of createInterface({ input: dumpcap.stderr })) if (line.startsWith('File:')) break;
  dumpcap.stderr.resume();
  return {
    streams: async () => {
      dumpcap.kill('SIGINT');
      await closed;
      const streams = await read(file);
      rmSync(directory, { recursive: true, force: true });
      return streams;
    },
  };
}

async function read(file: string): Promise<WitnessedStream[]> {
  const fields = ['frame.time_epoch', 'ip.src', 'udp.dstport'].flatMap((name) => ['-e', name]);
  // 172 bytes of RTP behind 8 of UDP: G.711 of 20 ms. SIP and RTCP are of other sizes.
  const argv = ['-n', '-r', file, '-Y', 'udp.length == 180', '-T', 'fields', ...fields];
  const tshark = spawn('tshark', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  const streams = new Map<string, WitnessedStream>();
  for await (const line of createInterface({ input: tshark.stdout })) note(streams, line);
  return [...streams.values()]
    .filter(({ packets }) => packets >= LEAST_PACKETS)
    .sort((one, other) => one.start - other.start);
}

function note(streams: Map<string, WitnessedStream>, line: string): void {
  const [time = '', source = '', port = ''] = line.split('\t');
  const at = Number(time) * 1000;
  const stream = streams.get(`${source} ${port}`);
  if (stream === undefined) {
    const destinationPort = Number(port);
    streams.set(`${source} ${port}`, { source, destinationPort, start: at, end: at + PACKET_MS, packets: 1 });
    return;
  }
  if (stream.packets < FIRST_PACKETS) stream.start = Math.min(stream.start, at - stream.packets * PACKET_MS);
  stream.end = at + PACKET_MS;
  stream.packets++;
}
