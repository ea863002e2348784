// topics.toml: named questions, by which passages are tagged as they come; programs are sets of topics. See grec-topics(5).
import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import {
  type ConfigProblem,
  checkToml,
  type Finding,
  flag,
  invalidFile,
  isTable,
  oneOf,
  table,
  text,
} from '../toml-schema.ts';
import { readQuery } from './query.ts';

/** What a passage must have, and must not, in FTS5's words. */
export interface Topic {
  name: string;
  match: string;
  party?: 'agent' | 'customer' | undefined;
  /** Whoever is told of alarms is told of it. */
  alert: boolean;
}

export interface Topics {
  topics: Topic[];
  programs: Map<string, readonly string[]>;
}

const NAME = 'expected a name of letters, digits, - and _';
const name = v.pipe(v.string(NAME), v.regex(/^[\p{L}\p{N}_-]{1,60}$/u, NAME));
const QUESTIONS = 'expected a list of questions as grec find takes them';
const questions = v.array(
  v.pipe(
    v.string(QUESTIONS),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? problemOf(dataset.value) : undefined;
      if (problem !== undefined) addIssue({ message: problem });
    }),
  ),
  QUESTIONS,
);
const TOPICS = 'expected [[topic]]';
const schema = table({
  topic: v.optional(
    v.array(
      table({
        name,
        find: v.pipe(questions, v.minLength(1, QUESTIONS)),
        not: v.optional(questions, []),
        party: v.optional(oneOf(['agent', 'customer'])),
        alert: v.optional(flag, false),
      }),
      TOPICS,
    ),
    [],
  ),
  program: v.optional(
    v.array(
      table({ name, topics: v.array(text('the name of a topic'), 'expected a list of topics') }),
      'expected [[program]]',
    ),
    [],
  ),
});

/** The topics of a text, or every mistake in it. */
export function checkTopics(toml: string): { topics?: Topics; problems: ConfigProblem[] } {
  const { values, problems } = checkToml(schema, toml, findMistakes);
  if (values === undefined) return { problems };
  const topics = values.topic.map(({ find, not, ...topic }) => ({ ...topic, match: matchOf(find, not) }));
  return {
    topics: { topics, programs: new Map(values.program.map((one) => [one.name, one.topics])) },
    problems,
  };
}

/** Those of the file; none when there is no file. @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE */
export function readTopics(file: string): Topics {
  const text = readText(file);
  const { topics, problems } = checkTopics(text);
  if (topics !== undefined) return topics;
  throw invalidFile(file, problems, 'man 5 grec-topics lists every key and what it accepts');
}

/** Changes when the file does; undefined when there is none. */
export function versionOfTopics(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeMs} ${found.size}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return '';
    throw new GrecError('CONFIG_UNREADABLE', `cannot read the topics ${file}: ${messageOf(thrown)}`, {
      hint: 'give the user that runs grec-procd the right to read it',
      cause: thrown,
    });
  }
}

function problemOf(question: string): string | undefined {
  try {
    return readQuery(question) === undefined ? `${QUESTIONS}, with a word in each` : undefined;
  } catch (thrown) {
    return `${QUESTIONS}: ${messageOf(thrown)}`;
  }
}

function matchOf(find: readonly string[], not: readonly string[]): string {
  const either = (all: readonly string[]) =>
    `(${all.map((one) => `(${readQuery(one) ?? ''})`).join(' OR ')})`;
  return not.length === 0 ? either(find) : `(${either(find)} NOT ${either(not)})`;
}

/** A name that is used twice, a program of a topic that is none. */
function findMistakes(raw: unknown): Finding[] {
  if (!isTable(raw)) return [];
  const namesOf = (key: string) => {
    const tables = raw[key];
    return Array.isArray(tables) ? tables.map((one) => (isTable(one) ? one['name'] : undefined)) : [];
  };
  const topics = namesOf('topic');
  const all = [...topics, ...namesOf('program')];
  const findings: Finding[] = [];
  for (const [index, one] of all.entries()) {
    const isTopic = index < topics.length;
    const path = isTopic ? ['topic', index, 'name'] : ['program', index - topics.length, 'name'];
    if (one !== undefined && all.indexOf(one) < index)
      findings.push({ path, message: `the name ${JSON.stringify(one)} is used twice` });
  }
  const programs = Array.isArray(raw['program']) ? raw['program'] : [];
  for (const [index, program] of programs.entries()) {
    const members = isTable(program) && Array.isArray(program['topics']) ? program['topics'] : [];
    for (const [place, topic] of members.entries())
      if (!topics.includes(topic))
        findings.push({
          path: ['program', index, 'topics', place],
          message: `there is no topic ${JSON.stringify(topic)}`,
        });
  }
  return findings;
}
