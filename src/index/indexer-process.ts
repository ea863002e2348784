// The program of the indexer: a process of its own at the lowest priority, so that nothing of the recording waits for it.
import { setPriority } from 'node:os';
import { messageOf } from '../errors.ts';
import { Indexer } from './indexer.ts';
import type { IndexerSettings, Order, Told } from './indexer-protocol.ts';
import type { Redone } from './writer.ts';

const LOWEST_PRIORITY = 19;
const STATUS_MS = 1_000;

let indexer: Indexer | undefined;

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

function start(settings: IndexerSettings): void {
  indexer = new Indexer({
    ...settings,
    onTopic: (topic, recording) => tell({ told: 'topic', topic, recording }),
    onProblem: (problem, recording) => tell({ told: 'problem', problem, recording }),
  });
  indexer.start();
  tellStatus();
  setInterval(tellStatus, STATUS_MS);
}

function tellStatus(): void {
  if (indexer === undefined) return;
  try {
    tell({ told: 'status', status: indexer.status() });
  } catch (thrown) {
    tell({ told: 'problem', problem: messageOf(thrown) });
  }
}

function redo(id: number, which: Redone | 'topics'): void {
  try {
    tell({ told: 'answer', id, count: indexer?.redo(which) ?? 0 });
  } catch (thrown) {
    tell({ told: 'refused', id, problem: messageOf(thrown) });
  }
}

async function end(): Promise<void> {
  await indexer?.stop();
  process.exit(0);
}

setPriority(LOWEST_PRIORITY);
process.on('message', (order: Order) => {
  if (order.do === 'redo') return redo(order.id, order.which);
  try {
    start(order.settings);
  } catch (thrown) {
    tell({ told: 'problem', problem: messageOf(thrown) });
    process.exitCode = 1;
    process.disconnect();
  }
});
// Of a process group each one gets the signal; grec-procd ends this one by closing the channel.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => void end());
