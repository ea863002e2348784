// Where alarms go: a program of the operator's, or an address that takes HTTP. Either takes one, or says why not.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Alarm } from './alarm.ts';

/** Throws when it has not been taken. */
export type Tell = (alarm: Alarm) => Promise<void>;

const COMMAND_LIMIT_MS = 30_000;
const WEBHOOK_LIMIT_MS = 10_000;
const LONGEST_ERROR = 300;

/** Runs a program, without a shell, with the alarm as one line of JSON on standard input; exit status 0 says that it has it. */
export function tellCommand(command: readonly string[], limitMs = COMMAND_LIMIT_MS): Tell {
  const [program = '', ...argv] = command;
  return (alarm) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, argv, { stdio: ['pipe', 'ignore', 'pipe'] });
      // Not spawn's own: of a program that is not there that one stays, and keeps the process.
      const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
      let said = '';
      child.stderr.on('data', (bytes: Buffer) => {
        if (said.length < LONGEST_ERROR) said += bytes.toString('latin1').slice(0, LONGEST_ERROR);
      });
      child.on('error', (error) => {
        clearTimeout(limit);
        reject(new Error(`${program} cannot be run: ${error.message}`));
      });
      child.on('close', (code, signal) => {
        clearTimeout(limit);
        if (code === 0) return resolve();
        const why = said.trim().split('\n')[0];
        reject(new Error(`${program} ended with ${code ?? signal}${why ? `: ${why}` : ''}`));
      });
      // A program that does not read it may still take it as a signal.
      child.stdin.on('error', () => undefined);
      child.stdin.end(`${JSON.stringify(alarm)}\n`);
    });
}

/**
 * Posts the alarm as JSON; any 2xx says that it has been taken.
 * @param secretFile read each time, so that the secret can be changed: HMAC-SHA256 over time and body stands in Grec-Signature
 */
export function tellWebhook(
  address: string,
  secretFile: string | undefined,
  limitMs = WEBHOOK_LIMIT_MS,
): Tell {
  return async (alarm) => {
    const body = JSON.stringify(alarm);
    const headers: Record<string, string> = { 'content-type': 'application/json', 'grec-alarm': alarm.id };
    if (secretFile !== undefined) headers['grec-signature'] = await signatureOf(body, secretFile);
    const signal = AbortSignal.timeout(limitMs);
    const answer = await fetch(address, { method: 'POST', headers, body, redirect: 'error', signal }).catch(
      (thrown) => {
        throw new Error(`${address}: ${reasonOf(thrown)}`);
      },
    );
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  };
}

async function signatureOf(body: string, secretFile: string): Promise<string> {
  const secret = (
    await readFile(secretFile, 'utf8').catch((thrown) => {
      throw new Error(`the secret of the webhook cannot be read: ${messageOf(thrown)}`);
    })
  ).trim();
  if (secret === '') throw new Error(`the secret of the webhook is empty: ${secretFile}`);
  const time = Math.floor(Date.now() / 1000);
  return `t=${time},v1=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`;
}

/** fetch says "fetch failed", and why one level below. */
function reasonOf(thrown: unknown): string {
  return messageOf(thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown);
}
