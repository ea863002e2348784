// `grec find`: words that were said, and what is known of recordings, in one question; the newest first.
import { GrecError } from '../errors.ts';
import { MARKS } from '../index/find.ts';
import { type IndexReader, openIndexReader } from '../index/index.ts';
import { joinArguments, readQuery } from '../index/query.ts';
import type { FindFilter, FoundPassage, FoundRecording } from '../index/rows.ts';
import { readTopics } from '../index/topics.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { describeBehind, measureBehind } from './index-command.ts';
import { shortId } from './ls.ts';
import { clockDuration, localTime, printable } from './table.ts';
import { readTime } from './time.ts';

export interface FindOptions {
  party?: 'agent' | 'customer';
  dn?: string;
  agent?: string;
  number?: string;
  topic?: string;
  since?: string;
  until?: string;
  longerThan?: string;
  shorterThan?: string;
  sort: NonNullable<FindFilter['sort']>;
  limit: number;
}

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };
const MARKED = new RegExp(`${MARKS.begin}([^${MARKS.end}]*)${MARKS.end}`, 'gu');

/** @throws GrecError USAGE, INDEX_UNUSABLE, CATALOG_UNUSABLE, AUDIT_UNWRITABLE */
export async function find(context: CliContext, words: string[], options: FindOptions): Promise<number> {
  const asked = joinArguments(words);
  const match = readQuery(asked);
  if (match === undefined && words.length > 0)
    throw new GrecError('USAGE', `there is no word in ${JSON.stringify(asked)}`, {
      hint: 'give letters or digits; leave all words out to find recordings by --dn, --since and the like',
    });
  requireWordsFor(options, match);
  const filter = { ...readFilter(options, Date.now()), ...readTopic(context, options) };
  const index = openIndexReader(context.config.paths.index);
  try {
    await search(context, index, { asked, match, filter, options });
    const behind = describeBehind(await measureBehind(context, index));
    if (behind !== undefined) context.note(context.withCommands(behind));
  } finally {
    index.close();
  }
  return EXIT.ok;
}

interface Asked {
  asked: string;
  match: string | undefined;
  filter: FindFilter;
  options: FindOptions;
}

async function search(context: CliContext, index: IndexReader, { asked, match, filter, options }: Asked) {
  // One more than is shown tells whether there are more.
  const more = { ...filter, limit: filter.limit + 1 };
  const found = match === undefined ? index.findRecordings(more) : index.findPassages(match, more);
  const shown = found.slice(0, filter.limit);
  const { limit: _, ...told } = options;
  await note(context, { what: 'list', details: { ...told, words: asked, found: shown.length } });
  if (context.json) context.printJson(shown.map(asJson));
  else if (shown.length === 0) context.note('nothing found');
  else for (const row of shown) context.print(...lines(context, row));
  if (found.length > shown.length) context.note(`the first ${shown.length} are shown; --limit shows more`);
}

function requireWordsFor({ party, sort }: FindOptions, match: string | undefined): void {
  if (match !== undefined) return;
  if (party !== undefined) throw new GrecError('USAGE', '--party tells who says the words: give some');
  if (sort === 'relevance') throw new GrecError('USAGE', '--sort relevance is about words: give some');
}

function readFilter(options: FindOptions, now: number): FindFilter {
  const { party, dn, agent, number, since, until, longerThan, shorterThan, sort, limit } = options;
  const filter: FindFilter = {
    sort,
    limit,
    ...(party && { party }),
    ...(dn !== undefined && { dn }),
    ...(agent !== undefined && { agent }),
    ...(number !== undefined && { number }),
    ...(since !== undefined && { since: readTime(since, now) }),
    ...(until !== undefined && { until: readTime(until, now) }),
    ...(longerThan !== undefined && { longerThan: readLength(longerThan) }),
    ...(shorterThan !== undefined && { shorterThan: readLength(shorterThan) }),
  };
  if (filter.since !== undefined && filter.until !== undefined && filter.since >= filter.until)
    throw new GrecError('USAGE', `--since ${since} is not before --until ${until}`);
  return filter;
}

/** A topic, or the topics of a program. @throws GrecError USAGE, CONFIG_INVALID */
function readTopic(context: CliContext, { topic }: FindOptions): Pick<FindFilter, 'topics'> {
  if (topic === undefined) return {};
  const { topics, programs } = readTopics(context.config.paths.topics);
  const names = topics.map(({ name }) => name);
  const found = names.includes(topic) ? [topic] : programs.get(topic);
  if (found !== undefined) return { topics: found };
  throw new GrecError('USAGE', `there is no topic ${JSON.stringify(topic)}`, {
    hint: `topics and programs in ${context.config.paths.topics}: ${[...names, ...programs.keys()].join(', ') || 'none'}`,
  });
}

/** `90s`, `5m`, `1h`. @returns milliseconds */
function readLength(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  const factor = UNIT_MS[unit];
  if (factor !== undefined) return Number(count) * factor;
  throw new GrecError('USAGE', `${JSON.stringify(text)} is not a length`, { hint: 'accepted: 90s, 5m, 1h' });
}

/** Times in ISO 8601; a passage with the words that matched. */
function asJson(row: FoundRecording | FoundPassage): unknown {
  const startTime = new Date(row.startTime).toISOString();
  if (!('snippet' in row)) return { ...row, startTime };
  const matches = [...row.snippet.matchAll(MARKED)].map(([, match]) => match);
  return { ...row, startTime, snippet: row.snippet.replaceAll(MARKED, '$1'), matches };
}

function lines(context: CliContext, row: FoundRecording | FoundPassage): string[] {
  const call = `${row.caller} → ${row.callee}`;
  const head = `${shortId(row.id)}  ${localTime(row.startTime)}`;
  if (!('snippet' in row))
    return [printable(`${head}  ${clockDuration(row.duration)}  ${call}  ${row.dn ?? '-'}`)];
  const who = row.party ?? `channel ${row.channel + 1}`;
  const said = printable(row.snippet).replaceAll(MARKED, (_, match: string) => context.paint('bold', match));
  return [`${printable(`${head}  ${call}  at ${clockDuration(row.from)}  ${who}: `)}${said}`];
}
