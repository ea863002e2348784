// Contacts are asked on the way that calls to them take.
import { join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../log.ts';
import type { OutgoingRequestOptions } from '../sip/user-agent.ts';
import { FakeUserAgent, fakeResponse } from '../testing/fake-user-agent.ts';
import { Contacts } from './contacts.ts';
import { DnStore } from './dn-store.ts';

const PROXY = '<sip:192.0.2.1:5070;lr>';

class Asked extends FakeUserAgent {
  readonly asked = Promise.withResolvers<OutgoingRequestOptions>();

  override async request(options?: OutgoingRequestOptions) {
    if (options !== undefined) this.asked.resolve(options);
    return fakeResponse(200);
  }
}

t.test('a phone behind a proxy is asked through it', async (t) => {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  store.saveDn({ number: '7001', name: null, ha1: null, realm: null });
  const place = { protocol: 'udp', address: '192.0.2.1', port: 5070, path: PROXY } as const;
  const contact = { number: '7001', contact: 'sip:7001@10.0.0.9', callId: 'c', cseq: 1, userAgent: null };
  store.replaceRegistrations('7001', [{ ...contact, ...place, expiresAt: Date.now() + 60_000 }]);
  const userAgent = new Asked();
  const log = silentLogger();
  const contacts = new Contacts({ store, log, userAgent: () => userAgent, qualifyMs: 1000 });
  t.teardown(() => contacts.stop());
  // Its timer does not keep a process alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  t.match(await userAgent.asked.promise, {
    method: 'OPTIONS',
    uri: 'sip:7001@10.0.0.9',
    peer: { address: '192.0.2.1', port: 5070 },
    headers: { route: PROXY },
  });
});
