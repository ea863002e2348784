// Passwords of DNs: given by standard input or a file, never as an argument; or made here.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { GrecError, messageOf } from '../errors.ts';
import { askSecret, isTerminal } from './ask-secret.ts';
import type { CliContext } from './context.ts';

export interface DnPasswordOptions {
  passwordStdin?: boolean;
  passwordFile?: string;
  newPassword?: boolean;
}

/** The password that is given, if one is. @throws GrecError USAGE */
export async function readPassword(
  context: CliContext,
  number: string,
  options: DnPasswordOptions,
): Promise<string | undefined> {
  const ways = [options.passwordStdin, options.passwordFile !== undefined, options.newPassword];
  if (ways.filter(Boolean).length > 1)
    throw new GrecError('USAGE', 'give one of --password-stdin, --password-file and --new-password');
  if (options.passwordFile !== undefined) return firstLine(readPasswordFile(options.passwordFile));
  if (options.passwordStdin !== true) return undefined;
  const { stdin, stderr } = context;
  return firstLine(
    isTerminal(stdin) ? await askSecret(stdin, stderr, `password of ${number}`) : await readFirstLine(stdin),
  );
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new GrecError('USAGE', `cannot read the password file: ${messageOf(thrown)}`, { cause: thrown });
  }
}

async function readFirstLine(stdin: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stdin })) return line;
  return '';
}

function firstLine(text: string): string {
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  if (line === '') throw new GrecError('USAGE', 'the password is empty');
  return line;
}

/** Letters and digits that are not mistaken for one another when typed into a phone. */
const PASSWORD_ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** 16 characters of 57: over 93 bits. */
const PASSWORD_LENGTH = 16;

export function makePassword(): string {
  const pick = () => PASSWORD_ALPHABET[randomInt(PASSWORD_ALPHABET.length)];
  return Array.from({ length: PASSWORD_LENGTH }, pick).join('');
}
