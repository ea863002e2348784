// Asks for a password on a terminal, which does not show what is typed.
import { GrecError } from '../errors.ts';
import type { OutputStream } from './context.ts';

/** Standard input when it is a terminal. */
export interface Terminal extends NodeJS.ReadableStream {
  isTTY: true;
  setRawMode(isRaw: boolean): unknown;
}

export function isTerminal(stdin: NodeJS.ReadableStream): stdin is Terminal {
  return 'isTTY' in stdin && stdin.isTTY === true && 'setRawMode' in stdin;
}

/**
 * Asks twice: nobody sees a mistake. @param output where the questions go
 * @throws GrecError USAGE when the answers differ, or Ctrl-C or Ctrl-D is typed
 */
export async function askSecret(stdin: Terminal, output: OutputStream, what: string): Promise<string> {
  stdin.setRawMode(true);
  const typed = new Typed(stdin);
  try {
    const first = await typed.ask(output, `${what}: `);
    const second = await typed.ask(output, `${what}, again: `);
    if (first === second) return first;
    throw new GrecError('USAGE', 'the passwords differ', { hint: 'type the same one twice' });
  } finally {
    typed.end();
    stdin.setRawMode(false);
    stdin.pause();
  }
}

/** Characters as they are typed, in whatever pieces they come. */
class Typed {
  readonly #stdin: Terminal;
  #waiting = '';
  #onData: (text: string) => void;
  #wake: () => void = () => {};
  #isOver = false;

  constructor(stdin: Terminal) {
    this.#stdin = stdin;
    this.#onData = (text) => {
      this.#waiting += text;
      this.#wake();
    };
    stdin.setEncoding('utf8');
    stdin.on('data', this.#onData);
    stdin.once('end', this.#onEnd);
    stdin.resume();
  }

  readonly #onEnd = (): void => {
    this.#isOver = true;
    this.#wake();
  };

  async ask(output: OutputStream, question: string): Promise<string> {
    output.write(question);
    try {
      return await this.#line();
    } finally {
      output.write('\n');
    }
  }

  async #line(): Promise<string> {
    let line: string[] = [];
    for (;;) {
      const key = await this.#key();
      if (key === '\r' || key === '\n') return line.join('');
      if (key === undefined || key === '\x03' || key === '\x04')
        throw new GrecError('USAGE', 'no password was typed', { hint: 'nothing was changed' });
      if (key === '\x7f' || key === '\b') line = line.slice(0, -1);
      else if (key === '\x15') line = [];
      else if (key >= ' ') line.push(key);
    }
  }

  async #key(): Promise<string | undefined> {
    while (this.#waiting === '' && !this.#isOver)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const [key] = this.#waiting;
    this.#waiting = this.#waiting.slice(key?.length ?? 0);
    return key;
  }

  end(): void {
    this.#stdin.off('data', this.#onData);
    this.#stdin.off('end', this.#onEnd);
  }
}
