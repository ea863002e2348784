// User agents and calls for the tests of this folder: real sockets on loopback, quick timers, cleaned up by tap.
import { silentLogger } from '../log.ts';
import type { SipRequest } from './message.ts';
import {
  createUserAgent,
  type Dialog,
  type IncomingInvite,
  type Protocol,
  type TlsIdentity,
  type UserAgent,
  type UserAgentOptions,
} from './user-agent.ts';

export interface Teardown {
  teardown(run: () => unknown): void;
}

export interface Place {
  protocol?: Protocol;
  host?: string;
  tls?: TlsIdentity;
  scheme?: 'sip' | 'sips';
}

export interface NewAgent {
  agent: UserAgent;
  port: number;
  /** A URI at the agent. */
  target: string;
}

/** An agent on a free port of loopback that answers everything 200 unless told otherwise. */
export async function newAgent(t: Teardown, options: Partial<UserAgentOptions> & Place): Promise<NewAgent> {
  const { protocol = 'udp', host = '127.0.0.1', scheme, ...rest } = options;
  const agent = await createUserAgent({
    listen: [{ protocol, host, port: 0 }],
    log: silentLogger(),
    product: 'test',
    onInvite: (invite) => void invite.accept(),
    onRequest: (request) => request.respond(200),
    timers: { t1: 50, t2: 200, t4: 100 },
    ...rest,
  });
  t.teardown(() => agent.close());
  const port = agent.listening[0]?.port ?? 0;
  return { agent, port, target: targetAt(protocol, host, port, scheme) };
}

export function targetAt(
  protocol: Protocol,
  host: string,
  port: number,
  scheme: 'sip' | 'sips' = 'sip',
): string {
  const literal = host.includes(':') ? `[${host}]` : host;
  const transport = protocol === 'udp' || scheme === 'sips' ? '' : `;transport=${protocol}`;
  return `${scheme}:2002@${literal}:${port}${transport}`;
}

export interface Call {
  callerAgent: UserAgent;
  calleeAgent: UserAgent;
  caller: Dialog;
  callee: Dialog;
  /** As the callee got it. */
  invite: SipRequest;
}

/** An answered and acknowledged call. */
export async function connectCall(t: Teardown, place: Place = {}): Promise<Call> {
  let incoming: IncomingInvite | undefined;
  let callee: Dialog | undefined;
  let acked = false;
  const { agent: calleeAgent, target } = await newAgent(t, {
    ...place,
    onInvite: (invite) => {
      incoming = invite;
      callee = invite.accept();
      callee.onAck = () => {
        acked = true;
      };
    },
  });
  const { agent: callerAgent } = await newAgent(t, place);
  const caller = await placeCall(callerAgent, target);
  await eventually(() => acked);
  if (incoming === undefined || callee === undefined) throw new Error('no call came');
  callee.onAck = undefined;
  return { callerAgent, calleeAgent, caller, callee, invite: incoming.message };
}

function placeCall(agent: UserAgent, uri: string): Promise<Dialog> {
  return new Promise((resolve, reject) => {
    agent.invite({
      uri,
      from: { uri: 'sip:1001@example.com' },
      to: { uri: 'sip:2002@example.com' },
      onAccepted: (_response, dialog, ack) => {
        ack();
        resolve(dialog);
      },
      onRejected: ({ status, reason }) => reject(new Error(`${status} ${reason}`)),
    });
  });
}

/** Resolves when a condition holds, which the event loop is given turns to bring about; rejects after 5 s. */
export async function eventually(condition: () => boolean): Promise<void> {
  const until = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > until) throw new Error(`never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
