// [media]: the media servers that the switch uses, what they are, and how calls are shared among them.
import { isIPv6 } from 'node:net';
import * as v from 'valibot';
import { type HostPort, hostPort } from './config-addresses.ts';
import { oneOf, section, text, within } from './toml-schema.ts';

/** One media server, written `127.0.0.1:2223` or `127.0.0.1:2223 weight=2`. */
export interface MediaServerPlace extends HostPort {
  /** Its share of the calls among those that have one; those without are used in their order, when none of these lives. */
  weight?: number;
}

/** Where rtpengine keeps what it records, as Debian configures it. */
const RECORDINGS = '/var/spool/rtpengine';
const PLACE = /^(\S+)(?: +weight=([1-9]\d?|100))?$/;
const EXPECTED =
  'expected an IP address and a port, such as "127.0.0.1:2223" or "127.0.0.1:2223 weight=2" (1 to 100), or a list of them';

function readPlace(written: string): MediaServerPlace | undefined {
  const [, place, weight] = PLACE.exec(written) ?? [];
  const read = v.safeParse(hostPort, place);
  if (!read.success) return undefined;
  return weight === undefined ? read.output : { ...read.output, weight: Number(weight) };
}

const places = v.pipe(
  v.union([v.string(), v.array(v.string())], EXPECTED),
  v.transform((value) => (typeof value === 'string' ? [value] : value)),
  v.check(
    (values) => values.length > 0 && values.every((written) => readPlace(written) !== undefined),
    EXPECTED,
  ),
  v.transform((values) => values.flatMap((written) => readPlace(written) ?? [])),
);

export const mediaSection = section({
  engine: v.optional(oneOf(['grec', 'rtpengine']), 'grec'),
  server: v.optional(places),
  timeout: v.optional(within(100, 60000, 'a whole number of milliseconds'), 3000),
  recordings: v.optional(text('a directory'), RECORDINGS),
});

/** As the configuration writes it. */
export function showMediaServer({ host, port, weight }: MediaServerPlace): string {
  const place = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return weight === undefined ? place : `${place} weight=${weight}`;
}
