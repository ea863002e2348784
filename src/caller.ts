// Who runs a program, and from where: what it tells a daemon, and what the audit log has. As far as it says so itself.
import { hostname, userInfo } from 'node:os';
import { originOf } from './config.ts';

export interface Caller {
  user: string;
  from: string;
}

/** HTTP header of control sockets. */
export const CALLER_HEADER = 'grec-caller';
const LONGEST = 256;
/** Of a client that does not say. */
export const UNKNOWN: Caller = { user: 'unknown', from: 'unknown' };

let known: Caller | undefined;

/** Of this process: `ann`, `root (sudo by ann)`; `desk7`, `desk7, ssh from 192.0.2.7`. */
export function caller(): Caller {
  if (known !== undefined) return known;
  const { sudoUser, ssh } = originOf();
  const user = userName();
  const from = ssh === undefined ? hostname() : `${hostname()}, ssh from ${ssh}`;
  known = bounded({ user: sudoUser === undefined ? user : `${user} (sudo by ${sudoUser})`, from });
  return known;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** The header of a request of this process, or of somebody for whom it asks. */
export function callerHeader(by: Caller = caller()): Record<string, string> {
  const { user, from } = bounded(by);
  return { [CALLER_HEADER]: `${encodeURIComponent(user)} ${encodeURIComponent(from)}` };
}

/** What stands in a header, whoever wrote it. */
export function readCaller(header: string | string[] | undefined): Caller {
  if (typeof header !== 'string') return UNKNOWN;
  try {
    const [user = '', from = ''] = header.split(' ').map((word) => decodeURIComponent(word));
    return bounded({ user: user || UNKNOWN.user, from: from || UNKNOWN.from });
  } catch {
    return UNKNOWN;
  }
}

function bounded({ user, from }: Caller): Caller {
  const clean = (text: string) => text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd').slice(0, LONGEST);
  return { user: clean(user), from: clean(from) };
}
