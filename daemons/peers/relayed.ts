// How much media the media server has received in a call: what tests wait for instead of seconds.
import { GrecError } from '../../src/errors.ts';
import { silentLogger } from '../../src/log.ts';
import { createNgClient, type NgClient } from '../../src/ng/client.ts';
import type { Installation } from './installation.ts';

/** Resolves when each party of the DN's call, which is recorded, has sent so many packets more. */
export async function relayed(installation: Installation, dn: string, packets: number): Promise<void> {
  const { calls } = await installation.ask<{ calls: { call: string }[] }>(
    'grec-sipd',
    'GET',
    `/calls?dn=${dn}`,
  );
  const call = calls[0]?.call;
  if (call === undefined) throw new Error(`${dn} is in no call`);
  const { host, port } = installation.config.mediad.ng;
  const ng = await createNgClient({ host, port, timeoutMs: 2000, log: silentLogger() });
  const both = async () => {
    const sums = await count(ng, nameOf(installation, call));
    return sums.length === 2 ? sums : undefined;
  };
  try {
    const before = await installation.until(`${call} is anchored`, both);
    await installation.until(`${packets} packets of each party of ${call} have come`, async () => {
      const now = await both();
      return now?.every((sum, at) => sum >= (before[at] ?? 0) + packets) ? true : undefined;
    });
  } finally {
    await ng.close();
  }
}

/** Its name at the media server, which is another one each time that it is anchored. */
function nameOf({ log }: Installation, call: string): string {
  const line = log.findLast((one) => one.includes('"ngCall"') && one.includes(`"call":"${call}"`));
  return /"ngCall":"([^"]+)"/.exec(line ?? '')?.[1] ?? call;
}

/** RTP packets of each party; none when the media server does not know the call (any more). */
async function count(ng: NgClient, name: string): Promise<number[]> {
  try {
    const { tags = {} } = await ng.request({ command: 'query', 'call-id': name });
    return Object.values(tags).map(({ medias }) => medias[0]?.streams[0]?.stats?.packets ?? 0);
  } catch (thrown) {
    if (thrown instanceof GrecError && thrown.code === 'NG_REFUSED') return [];
    throw thrown;
  }
}
