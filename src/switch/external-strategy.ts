// Asking an external strategy: the call as JSON by HTTP POST, the decision as JSON back, within a time and a size.
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { messageOf } from '../errors.ts';

/** What an answer may have at most. */
const LARGEST_ANSWER_BYTES = 64 * 1024;
/** Further calls are not asked about while so many are: a system that hangs must not pile them up here. */
const MOST_AT_ONCE = 256;

export type ExternalAnswer = { json: unknown } | { problem: string };

export class ExternalStrategy {
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true }),
    'https:': new HttpsAgent({ keepAlive: true }),
  };
  #underWay = 0;

  /**
   * Posts `question` as JSON. Never rejects, and takes no longer than `timeoutMs`.
   * @param url http or https
   */
  async ask(url: string, question: unknown, timeoutMs: number): Promise<ExternalAnswer> {
    if (this.#underWay >= MOST_AT_ONCE) return { problem: `${MOST_AT_ONCE} calls wait for it already` };
    this.#underWay += 1;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const text = await this.#post(new URL(url), Buffer.from(JSON.stringify(question)), signal);
      return { json: JSON.parse(text) };
    } catch (thrown) {
      const problem = signal.aborted ? `no answer within ${timeoutMs} ms` : messageOf(thrown);
      return { problem };
    } finally {
      this.#underWay -= 1;
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #post(url: URL, body: Buffer, signal: AbortSignal): Promise<string> {
    const isSecure = url.protocol === 'https:';
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agents[isSecure ? 'https:' : 'http:'],
      signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': body.length,
      },
    };
    return new Promise((resolve, reject) => {
      const outgoing = (isSecure ? httpsRequest : httpRequest)(url, options, (incoming) => {
        const parts: Buffer[] = [];
        let size = 0;
        const refuse = (problem: string) => {
          reject(new Error(problem));
          outgoing.destroy();
        };
        if (incoming.statusCode !== 200) return refuse(`HTTP status ${incoming.statusCode}`);
        incoming.on('error', reject);
        incoming.on('data', (part: Buffer) => {
          size += part.length;
          if (size > LARGEST_ANSWER_BYTES) refuse(`an answer of more than ${LARGEST_ANSWER_BYTES} bytes`);
          else parts.push(part);
        });
        incoming.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
