// What every subcommand gets: its streams, the configuration, and how to print.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { type Config, loadConfig } from '../config.ts';
import { type Align, renderTable } from './table.ts';

/** What bin gives: where the daemons' programs are, and streams (the process's own by default). */
export interface CliHost {
  daemonsDirectory: string;
  stdin?: NodeJS.ReadableStream;
  stdout?: OutputStream;
  stderr?: OutputStream;
}

export type OutputStream = NodeJS.WritableStream & {
  isTTY?: boolean;
  columns?: number;
  hasColors?(): boolean;
};

export interface GlobalOptions {
  config?: string | undefined;
  json: boolean;
  color: boolean;
}

export type Style = Parameters<typeof styleText>[0];

/** The width when standard output is no terminal. */
const DEFAULT_COLUMNS = 100;

export class CliContext {
  readonly daemonsDirectory: string;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** `--config FILE`. */
  readonly configFile: string | undefined;
  /** Data is printed as JSON. */
  readonly json: boolean;
  private readonly colorAllowed: boolean;
  private loaded: Config | undefined;

  constructor(host: CliHost, options: GlobalOptions) {
    this.daemonsDirectory = host.daemonsDirectory;
    this.stdin = host.stdin ?? process.stdin;
    this.stdout = host.stdout ?? process.stdout;
    this.stderr = host.stderr ?? process.stderr;
    this.configFile = options.config;
    this.json = options.json;
    this.colorAllowed = options.color;
  }

  /** The configuration, read when it is first asked for. @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE */
  get config(): Config {
    this.loaded ??= loadConfig({ file: this.configFile });
    return this.loaded;
  }

  /** Columns of the terminal. */
  get columns(): number {
    return this.stdout.columns ?? DEFAULT_COLUMNS;
  }

  /** Data, on standard output. */
  print(...lines: string[]): void {
    for (const line of lines) this.stdout.write(`${line}\n`);
  }

  /** Words about the work, on standard error. */
  note(...lines: string[]): void {
    for (const line of lines) this.stderr.write(`${line}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** Prints rows under a header; see {@link renderTable}. */
  printTable(
    header: readonly string[],
    rows: readonly (readonly string[])[],
    align?: readonly Align[],
  ): void {
    const [titles, ...lines] = renderTable(header, rows, align);
    this.print(this.paint('bold', titles ?? ''), ...lines);
  }

  /** Colours `text` when `stream` is a terminal with colours and `--no-color` was not given. */
  paint(style: Style, text: string, stream: OutputStream = this.stdout): string {
    if (!this.colorAllowed || stream.isTTY !== true || stream.hasColors?.() !== true) return text;
    return styleText(style, text, { validateStream: false });
  }

  /** How the operator calls this program: in a checkout npx finds it, an installed one is on the PATH. */
  get program(): string {
    // The daemons are in `daemons/` of a checkout, or in `dist/daemons/`.
    const roots = [join(this.daemonsDirectory, '..'), join(this.daemonsDirectory, '..', '..')];
    return roots.some((root) => existsSync(join(root, 'tsconfig.json'))) ? 'npx grec' : 'grec';
  }

  /** A grec command for the operator to type, with this run's `--config`. */
  command(words: string): string {
    return this.configFile === undefined
      ? `${this.program} ${words}`
      : `${this.program} --config ${quote(this.configFile)} ${words}`;
  }

  /** A hint from the layers below, which name commands as `grec …` in backticks: with them as the operator types them. */
  withCommands(hint: string): string {
    return hint.replaceAll(/`grec ([^`]+)`/g, (_, words: string) => `\`${this.command(words)}\``);
  }
}

/** `word` as a shell takes it whole. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
