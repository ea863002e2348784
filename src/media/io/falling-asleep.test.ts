// A datagram that comes while an engine falls asleep is handed out once, and its memory is given back once.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openUdpParty } from '../../testing/udp-party.ts';
import { type TestedEngine, testedEngines } from '../fixtures/engines.ts';

/** What every watch of a descriptor does from now on when it is started: the last thing before an engine sleeps. */
async function onFallingAsleep(t: Test, happens: () => void): Promise<boolean> {
  const koffi = await import('koffi').then(
    ({ default: loaded }) => loaded,
    () => undefined,
  );
  if (koffi === undefined) return false;
  const { poll } = koffi.node;
  t.teardown(() => Object.assign(koffi.node, { poll }));
  Object.assign(koffi.node, {
    poll(...given: Parameters<typeof poll>) {
      const handle = poll(...given);
      return {
        start(...how: Parameters<typeof handle.start>) {
          handle.start(...how);
          happens();
        },
        stop: () => handle.stop(),
        close: () => handle.close(),
      };
    },
  });
  return true;
}

async function handsOutOnce(t: Test, { createIo }: TestedEngine): Promise<void> {
  const source = createSocket('udp4');
  const party = await openUdpParty();
  t.teardown(() => party.close());
  t.teardown(() => source.close());
  let sent = 0;
  let toSend = 0;
  const isHooked = await onFallingAsleep(t, () => {
    for (; toSend > 0; toSend -= 1) {
      sent += 1;
      source.send(Buffer.from([sent]));
    }
  });
  if (!isHooked) {
    t.pass('no koffi here', { skip: 'no koffi' });
    return;
  }
  const io = await createIo();
  t.teardown(() => io.close());
  const ignore = { receiveOversized() {}, onUnreachable() {}, onSendFailed() {} };
  const out = await io.bind('127.0.0.1', 0, { ...ignore, receive() {} });
  out.aim({ address: '127.0.0.1', port: party.rtpPort }, true);
  const received: number[] = [];
  const into = await io.bind('127.0.0.1', 0, {
    ...ignore,
    receive(bytes, start, end) {
      received.push(bytes[start] ?? 0);
      out.send(bytes, start, end);
    },
  });
  source.connect(into.port, '127.0.0.1');
  await once(source, 'connect');
  for (let round = 1; round <= 3; round += 1) {
    toSend = 3;
    // It wakes for this one, and falls asleep again when nothing follows.
    party.sendRaw(into.port, Buffer.from([0]));
    while (toSend > 0) await delay(5);
    await party.until({ rtp: 4 * round });
  }
  const all = [0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9];
  t.strictSame(received, all);
  t.strictSame(
    party.rtp.map(([first]) => first),
    all,
  );
}

for (const tested of await testedEngines())
  if (tested.name !== 'dgram') t.test(tested.name, (t) => handsOutOnce(t, tested));
