// The reply to `query`: rtpengine's shape (its docs/ng_control_protocol), with the counters of each stream.
import { isIPv6 } from 'node:net';
import type { NgEndpoint, NgOk, NgStats, NgStream, NgTag } from '../ng/reply.ts';
import type { Endpoint } from '../spool/pcap.ts';
import type { Call } from './call.ts';
import type { CallParty } from './call-party.ts';
import type { PortCounters } from './io/engine.ts';

/** What a call is and what it has carried; of one that is closed, with what it had until then. */
export function describeCall(
  call: Call,
  parties: readonly CallParty[] = call.parties,
  isRecorded = call.recording !== undefined,
): NgOk {
  const tags = parties
    .filter(({ tag }) => tag !== '')
    .map((party) => [party.tag, describeParty(parties, party, isRecorded)]);
  return {
    result: 'ok',
    created: call.created,
    'last signal': call.lastSignal,
    tags: Object.fromEntries(tags) as Record<string, NgTag>,
    totals: {
      RTP: total(parties.map(({ leg }) => leg.rtp)),
      RTCP: total(parties.map(({ leg }) => leg.rtcp)),
    },
  };
}

function describeParty(parties: readonly CallParty[], party: CallParty, isRecorded: boolean): NgTag {
  const { tag, created, leg, description } = party;
  const other = parties.find((one) => one !== party)?.tag ?? '';
  const remote = description?.remote;
  const rtp = stream('RTP', leg.rtpPort, leg.rtp, leg.rtpDestination, leg.rtpSource);
  const rtcp = stream('RTCP', leg.rtcpPort, leg.rtcp, leg.rtcpDestination, leg.rtcpSource);
  if (remote !== undefined) {
    rtp['advertised endpoint'] = endpoint({ address: remote.address, port: remote.rtpPort });
    rtcp['advertised endpoint'] = endpoint({ address: remote.address, port: remote.rtcpPort });
  }
  return {
    tag,
    created,
    ...(other === '' ? {} : { 'in dialogue with': other }),
    medias: [
      {
        index: 1,
        type: 'audio',
        protocol: description?.audio.protocol ?? 'RTP/AVP',
        flags: isRecorded ? ['initialized', 'recording'] : ['initialized'],
        streams: [rtp, rtcp],
      },
    ],
  };
}

function stream(
  kind: string,
  port: number,
  counters: Readonly<PortCounters>,
  destination: Endpoint | undefined,
  source: Endpoint | undefined,
): NgStream {
  return {
    'local port': port,
    ...(destination === undefined ? {} : { endpoint: endpoint(destination) }),
    'last packet': Math.floor(counters.lastAt / 1e6),
    flags: [
      kind,
      ...(destination === undefined ? [] : ['filled']),
      ...(source === undefined ? [] : ['confirmed']),
    ],
    stats: stats(counters),
  };
}

function endpoint({ address, port }: Endpoint): NgEndpoint {
  return { family: isIPv6(address) ? 'IPv6' : 'IPv4', address, port };
}

function stats({ packets, bytes, errors }: Readonly<PortCounters>): NgStats {
  return { packets, bytes, errors };
}

function total(all: Readonly<PortCounters>[]): NgStats {
  const sum: NgStats = { packets: 0, bytes: 0, errors: 0 };
  for (const { packets, bytes, errors } of all) {
    sum.packets += packets;
    sum.bytes += bytes;
    sum.errors += errors;
  }
  return sum;
}
