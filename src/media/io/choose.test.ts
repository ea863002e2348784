// The choice of an engine: proven on loopback, forced, or none at all.
import t from 'tap';
import { chooseEngine, type Engines } from './choose.ts';
import { createDgramIo } from './dgram-io.ts';
import { unusable } from './kernel.ts';
import type { UdpIo } from './udp-io.ts';

const works = async () => createDgramIo();
const broken = (reason: string) => async (): Promise<UdpIo> => {
  throw unusable(reason);
};
/** Takes datagrams, and sends none. */
const silent = async (): Promise<UdpIo> => {
  const io = createDgramIo();
  const bind: UdpIo['bind'] = async (...where) => {
    const socket = await io.bind(...where);
    const silence = { stream: undefined, way: undefined, aim() {}, send: () => true };
    return { ...silence, port: socket.port, close: () => socket.close() };
  };
  return { ...io, bind };
};
const choose = async (
  wanted: Parameters<typeof chooseEngine>[0],
  engines: Engines,
  except: 'io_uring'[] = [],
) => {
  const { engine, io, reason } = await chooseEngine(wanted, except, () => undefined, engines);
  await io.close();
  return { engine, reason };
};

t.test('the fastest one that works is taken, and it is said why', async (t) => {
  const all = { io_uring: works, epoll: works, dgram: works };
  t.same(await choose('auto', all), { engine: 'io_uring', reason: 'the fastest one' });
  t.same(await choose('auto', { ...all, io_uring: broken('io_uring_setup: EPERM') }), {
    engine: 'epoll',
    reason: 'io_uring does not work here: io_uring_setup: EPERM',
  });
  t.match(await choose('auto', { io_uring: silent, epoll: broken('no koffi'), dgram: works }), {
    engine: 'dgram',
    reason: /io_uring does not work here: the self-test heard nothing .*; epoll does not work here: no koffi/,
  });
  t.match(await choose('auto', all, ['io_uring']), { engine: 'epoll', reason: /ended its process/ });
});

t.test('one that is configured is taken, or refused with what is wrong', async (t) => {
  t.same(await choose('dgram', { io_uring: works, epoll: works, dgram: works }), {
    engine: 'dgram',
    reason: 'it is configured',
  });
  await t.rejects(choose('epoll', { io_uring: works, epoll: broken('no koffi'), dgram: works }), {
    code: 'ENGINE_UNUSABLE',
    message: 'epoll does not work here: no koffi',
    hint: /leave out \[mediad\] engine/,
  });
});

t.test('when none works each is named', async (t) => {
  const none = { io_uring: broken('a'), epoll: broken('b'), dgram: broken('c') };
  await t.rejects(choose('auto', none), {
    code: 'ENGINE_UNUSABLE',
    message: /: a; epoll .*: b; dgram .*: c/,
  });
});

t.test('what this machine offers proves itself', async (t) => {
  const { engine, io } = await chooseEngine('auto');
  t.equal(io.name, engine);
  await io.close();
});
