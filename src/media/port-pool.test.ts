// The pool of port pairs: even and odd, longest free first, rested, past what others hold, and empty at last.
import t from 'tap';
import { GrecError } from '../errors.ts';
import { createPortPool } from './port-pool.ts';

const take = async (port: number) => port;

t.test('pairs begin at even ports within the range', async (t) => {
  const pool = createPortPool({ first: 30001, last: 30006 });
  t.strictSame([await pool.open(take), await pool.open(take)], [30002, 30004]);
  t.equal(pool.free, 0);
  await t.rejects(pool.open(take), {
    code: 'PORTS_EXHAUSTED',
    message: /no media ports left in 30001-30006/,
  });
});

t.test('a freed pair rests while there are others, and serves when there are none', async (t) => {
  const pool = createPortPool({ first: 30000, last: 30005 });
  const first = await pool.open(take);
  pool.release(first);
  t.strictSame([await pool.open(take), await pool.open(take)], [30002, 30004]);
  t.equal(await pool.open(take), first, 'it has rested the least, but a call matters more');
  pool.release(30004);
  pool.release(30002);
  t.equal(await pool.open(take), 30004, 'the one that has rested for longer');
});

t.test('pairs that others hold are passed over and tried again later', async (t) => {
  const pool = createPortPool({ first: 30000, last: 30005 });
  let taken = [30000, 30002];
  const bind = async (port: number) => {
    if (taken.includes(port)) throw new GrecError('PORT_IN_USE', 'taken');
    return port;
  };
  t.equal(await pool.open(bind), 30004);
  await t.rejects(pool.open(bind), { code: 'PORTS_EXHAUSTED' });
  taken = [];
  t.equal(await pool.open(bind), 30000);
  t.equal(pool.used, 2);
});

t.test('an error that is no port in use goes through and costs no port', async (t) => {
  const pool = createPortPool({ first: 30000, last: 30005 });
  const fail = async () => {
    throw new GrecError('PORT_UNUSABLE', 'no such address');
  };
  await t.rejects(pool.open(fail), { code: 'PORT_UNUSABLE' });
  t.equal(pool.free, 3);
});

t.test('openings at the same time never get the same pair', async (t) => {
  const pool = createPortPool({ first: 30000, last: 30199 });
  const slow = async (port: number) => {
    await new Promise((resolve) => setImmediate(resolve));
    return port;
  };
  const ports = await Promise.all(Array.from({ length: 100 }, () => pool.open(slow)));
  t.equal(new Set(ports).size, 100);
});
