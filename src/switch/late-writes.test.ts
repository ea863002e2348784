// Writes that a disk refuses are done later, in their newest form, and the trouble is told once.
import { EventEmitter, once } from 'node:events';
import t from 'tap';
import { LateWrites } from './late-writes.ts';

t.test('a refused write is done when the disk takes it again', async (t) => {
  const told: (string | undefined)[] = [];
  const disk = { isFull: true };
  const written: string[] = [];
  const recovered = new EventEmitter();
  const onTrouble = (reason: string | undefined) => {
    told.push(reason);
    if (reason === undefined) recovered.emit('recovered');
  };
  const late = new LateWrites({ onTrouble, retryMs: 5 });
  t.teardown(() => late.end());
  const write = (what: string) => () => {
    if (disk.isFull) throw new Error('database or disk is full');
    written.push(what);
  };
  late.write('call 1', write('noted 1'));
  late.write('call 2', write('noted 2'));
  late.write('call 1', write('forgotten 1'));
  t.same(written, []);
  t.same(told, ['database or disk is full'], 'told once');
  disk.isFull = false;
  late.write('call 3', write('noted 3'));
  t.same(written, ['noted 3'], 'what the disk takes does not wait for the rest');
  const end = once(recovered, 'recovered');
  // The timer alone does not keep a process alive.
  const alive = setTimeout(() => undefined, 10_000);
  await end;
  clearTimeout(alive);
  t.same(written, ['noted 3', 'noted 2', 'forgotten 1']);
  t.same(told, ['database or disk is full', undefined]);
});

t.test('a write that is never taken holds up no other', async (t) => {
  const written: string[] = [];
  const all = new EventEmitter();
  const late = new LateWrites({ onTrouble: () => undefined, retryMs: 5 });
  t.teardown(() => late.end());
  const disk = { isFull: true };
  late.write('one', () => {
    throw new Error('UNIQUE constraint failed');
  });
  late.write('two', () => {
    if (disk.isFull) throw new Error('database or disk is full');
    written.push('two');
    all.emit('written');
  });
  disk.isFull = false;
  const end = once(all, 'written', { signal: AbortSignal.timeout(5000) });
  // The timer alone does not keep a process alive.
  const alive = setTimeout(() => undefined, 10_000);
  await end.catch(() => undefined);
  clearTimeout(alive);
  t.same(written, ['two']);
});

t.test('at the end there is a last attempt', async (t) => {
  let isFull = true;
  const written: number[] = [];
  const late = new LateWrites({ onTrouble: () => undefined });
  late.write('x', () => {
    if (isFull) throw new Error('full');
    written.push(1);
  });
  isFull = false;
  late.end();
  t.same(written, [1]);
});

t.test('what need not be done at once is done together, but for what has been dropped', async (t) => {
  const written: string[] = [];
  const finished = new EventEmitter();
  const late = new LateWrites({
    onTrouble: () => undefined,
    together: (writes) => {
      written.push('begin');
      writes();
      written.push('end');
      finished.emit('end');
    },
  });
  t.teardown(() => late.end());
  const write = (what: string) => () => void written.push(what);
  late.writeSoon('call 1', write('noted 1'));
  late.writeSoon('call 2', write('noted 2'));
  late.writeSoon('call 1', write('forgotten 1'));
  late.writeSoon('call 3', write('noted 3'));
  t.equal(late.drop('call 3'), true);
  t.same(written, []);
  const alive = setTimeout(() => undefined, 10_000);
  await once(finished, 'end');
  clearTimeout(alive);
  t.same(written, ['begin', 'noted 2', 'forgotten 1', 'end']);
  t.equal(late.drop('call 1'), false);
});

t.test('a batch that the disk refuses is written one by one later, the rest of it too', async (t) => {
  const written: string[] = [];
  const recovered = new EventEmitter();
  let isFull = true;
  const onTrouble = (reason: string | undefined) => recovered.emit(reason === undefined ? 'end' : 'begin');
  const together = (writes: () => void) => {
    if (isFull) throw new Error('full');
    writes();
  };
  const late = new LateWrites({ onTrouble, together, retryMs: 5 });
  t.teardown(() => late.end());
  const alive = setTimeout(() => undefined, 10_000);
  late.writeSoon('x', () => {
    if (isFull) throw new Error('full');
    written.push('x');
  });
  await once(recovered, 'begin');
  late.writeSoon('y', () => void written.push('y'));
  isFull = false;
  await once(recovered, 'end');
  clearTimeout(alive);
  t.same(written, ['x', 'y']);
});
