// How much media the media server has received in a call: what tests wait for instead of seconds.
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';
import type { Installation } from './installation.ts';

/** Resolves when each party of the DN's call, which is anchored, has sent so many packets more. */
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
  const count = async () => {
    const { tags = {} } = await ng.request({ command: 'query', 'call-id': call });
    return Object.values(tags).map(({ medias }) => medias[0]?.streams[0]?.stats?.packets ?? 0);
  };
  try {
    const before = await count();
    await installation.until(`${packets} packets of each party of ${call} have come`, async () => {
      const now = await count();
      const isEnough = now.length > 1 && now.every((sum, at) => sum >= (before[at] ?? 0) + packets);
      return isEnough ? true : undefined;
    });
  } finally {
    await ng.close();
  }
}
