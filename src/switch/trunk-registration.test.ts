// Our registration at a trunk: renewed in time, tried elsewhere and later, never hammered.
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { fakeResponse } from '../testing/fake-user-agent.ts';
import { TrunkHost } from './trunk-host.ts';
import { TrunkRegistration } from './trunk-registration.ts';

const LINE = 'f'.repeat(32);

/** A registration whose registrars answer what the test says: `status` or `status expires`, one after the other. */
function registering(t: Test, answers: string[], { hosts = ['192.0.2.1'], expires = 3600 } = {}) {
  const sent: string[] = [];
  const waits: number[] = [];
  const said: object[] = [];
  const log = silentLogger();
  log.error = ((line: object) => void said.push(line)) as typeof log.error;
  t.intercept(globalThis, 'setTimeout', {
    value: (_run: () => void, ms: number) => {
      waits.push(ms / 1000);
      return { unref: () => undefined };
    },
  });
  const registration = new TrunkRegistration({
    trunk: 'carrier',
    hosts: hosts.map((address) => new TrunkHost('carrier', { protocol: 'udp', address, port: 5060 }, log)),
    expires,
    contactUser: LINE,
    send: async ({ peer }, seconds) => {
      sent.push(`${peer.address} ${seconds}`);
      const [status, detail] = (answers.shift() ?? '200').split(' ');
      const response = fakeResponse(Number(status));
      const params = { expires: `${detail}` };
      if (response.status === 200 && detail !== undefined)
        response.headers.contact = [
          { name: undefined, uri: 'sip:somebody@192.0.2.7', params: { expires: '9999' } },
          { name: undefined, uri: `sip:${LINE}@192.0.2.8:5060`, params },
        ];
      if (response.status === 423) response.headers['min-expires'] = detail;
      if (response.status === 503 && detail !== undefined) response.headers['retry-after'] = detail;
      return response;
    },
    log,
    random: () => 0.5,
  });
  t.teardown(() => registration.stop(true));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { registration, sent, waits, said, settle };
}

t.test('registered for as long as the registrar grants to our contact, and renewed before', async (t) => {
  const { registration, sent, waits, settle } = registering(t, ['200 600']);
  registration.start();
  await settle();
  t.same(sent, ['192.0.2.1 3600']);
  t.same(waits, [540]);
  t.match(registration.state, { registered: true, expiresInS: 600, status: 200, failures: 0 });
  await registration.stop();
  t.same(sent.slice(1), ['192.0.2.1 0'], 'taken back at the end');
  t.equal(registration.isRegistered, false);
});

t.test('a short one is renewed at half of it', async (t) => {
  const { registration, waits, settle } = registering(t, ['200 60']);
  registration.start();
  await settle();
  t.same(waits, [30]);
});

t.test('423: as long as it wants, at once, and no endless game of it', async (t) => {
  const { registration, sent, waits, settle } = registering(t, ['423 7200', '423 7200']);
  registration.start();
  await settle();
  await settle();
  t.same(sent, ['192.0.2.1 3600', '192.0.2.1 7200']);
  t.equal(waits.length, 1, 'a wait follows');
});

t.test('a wrong password is not tried again soon, and is an alarm', async (t) => {
  const { registration, waits, said, settle } = registering(t, ['403']);
  registration.start();
  await settle();
  t.same(waits, [300]);
  t.match(said, [{ alarm: 'trunk-registration', trunk: 'carrier', status: 403 }]);
  t.match(registration.state, { registered: false, status: 403, failures: 1 });
});

t.test('the next host at once, then later and later', async (t) => {
  const failing = Array.from({ length: 6 }, () => '408');
  const { registration, sent, waits, said, settle } = registering(t, failing, {
    hosts: ['192.0.2.1', '192.0.2.2'],
  });
  for (let count = 0; count < 6; count++) {
    registration.start();
    await settle();
  }
  t.same(
    sent.map((line) => line.split(' ')[0]),
    ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2'],
  );
  t.same(waits, [0, 2, 0, 4, 0, 8]);
  t.equal(said.length, 1, 'said once');
});

t.test('it waits as long as it is told', async (t) => {
  const { registration, waits, settle } = registering(t, ['503 120', '503 99999999']);
  registration.start();
  await settle();
  registration.start();
  await settle();
  t.same(waits, [120, 300]);
});
