// What `grec demo` tells while it runs: lines with times, the seven steps, or one JSON value at the end.
import type { CliContext } from './context.ts';

/** One of the seven steps of the model, as it happened. */
export interface Step {
  step: number;
  name: string;
  /** Milliseconds since the demonstration began. */
  atMs: number;
  detail: string;
}

const NAMES = ['started', 'bridged', 'recorded', 'ended', 'consolidated', 'indexed', 'heard'] as const;
export type StepName = (typeof NAMES)[number];

const WIDEST = 80;
const NAME_WIDTH = Math.max(...NAMES.map((name) => name.length));

export class Story {
  readonly steps: Step[] = [];
  readonly #context: CliContext;
  readonly #startedAt = Date.now();

  constructor(context: CliContext) {
    this.#context = context;
  }

  /** Words without a time. */
  title(...lines: string[]): void {
    if (this.#context.json) return;
    const [first = '', ...rest] = lines;
    this.#context.print(this.#context.paint('bold', first), ...rest);
  }

  print(...lines: string[]): void {
    if (!this.#context.json) this.#context.print(...lines);
  }

  /** Something that happens now and is no step. */
  tell(what: string): void {
    this.#print(this.#head(' ', Date.now()), what, 'dim');
  }

  /** A phrase of the conversation. */
  quote(name: string, words: string): void {
    this.tell(`${name}: “${words}”`);
  }

  /** @param at wall clock, milliseconds since 1970; the time of the event that shows the step */
  step(name: StepName, at: number, detail: string): void {
    const step = NAMES.indexOf(name) + 1;
    this.steps.push({ step, name, atMs: Math.round(at - this.#startedAt), detail });
    this.#print(`${this.#head(String(step), at)}${name.padEnd(NAME_WIDTH)}  `, detail, 'bold');
  }

  #head(number: string, at: number): string {
    const seconds = ((at - this.#startedAt) / 1000).toFixed(2);
    return `  ${number}  ${seconds.padStart(5)} s  `;
  }

  /** The head in its style, the text beside it, broken into lines under one another; dim text is dim throughout. */
  #print(head: string, text: string, style: 'bold' | 'dim'): void {
    if (this.#context.json) return;
    const width = Math.min(WIDEST, this.#context.columns) - head.length;
    const lines = wrap(text, Math.max(width, 1)).map((line) =>
      style === 'dim' ? this.#context.paint('dim', line) : line,
    );
    const heads = [this.#context.paint(style, head), ...lines.slice(1).map(() => ' '.repeat(head.length))];
    this.#context.print(...lines.map((line, index) => `${heads[index]}${line}`));
  }
}

/** Lines of at most `width` characters, broken at blanks; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
