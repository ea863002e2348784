// A user agent without a network: tests say what each side answers, and see what was sent.
import type { Headers, SipRequest, SipResponse } from '../sip/message.ts';
import type {
  Body,
  Dialog,
  DialogEnd,
  ExtraHeaders,
  Flow,
  IncomingInvite,
  IncomingRequest,
  InviteResponseOptions,
  OutgoingInvite,
  OutgoingInviteOptions,
  ResponseOptions,
  StoredDialog,
  UserAgent,
} from '../sip/user-agent.ts';

const flow: Flow = {
  peer: { protocol: 'udp', address: '127.0.0.1', port: 5070 },
  local: { protocol: 'udp', address: '127.0.0.1', port: 5060 },
  id: 'fake',
};

function headersWith(body: Buffer, more: Record<string, unknown> = {}): Headers {
  const from = { name: undefined, uri: 'sip:7002@127.0.0.1', params: { tag: 'far' } };
  const to = { name: undefined, uri: 'sip:7001@127.0.0.1', params: {} };
  const type = body.length > 0 ? { 'content-type': 'application/sdp' } : {};
  return { via: [], from, to, 'call-id': 'fake', cseq: { seq: 1, method: 'INVITE' }, ...type, ...more };
}

export function fakeRequest(method: string, text = '', headers: Record<string, unknown> = {}): SipRequest {
  const body = Buffer.from(text);
  return { method, uri: 'sip:7001@127.0.0.1', version: '2.0', headers: headersWith(body, headers), body };
}

export function fakeResponse(status: number, text = '', reason = `Reason ${status}`): SipResponse {
  const body = Buffer.from(text);
  return { status, reason, version: '2.0', headers: headersWith(body), body };
}

/** One line for each message that was sent: `180`, `200 v=0…`, `BYE`. */
export type Sent = string[];

const line = (what: string | number, body?: Body) =>
  body === undefined ? `${what}` : `${what} ${body.bytes}`;

/** A request that a test makes up; `sent` tells how it was answered. */
export class FakeIncoming implements IncomingRequest {
  readonly message: SipRequest;
  readonly flow: Flow = flow;
  readonly sent: Sent = [];

  constructor(message: SipRequest) {
    this.message = message;
  }

  respond(status: number, options: ResponseOptions = {}): void {
    this.sent.push(line(status, options.body));
  }
}

export class FakeDialog implements Dialog {
  readonly id = 'fake';
  readonly callId = 'fake';
  readonly localTag = 'near';
  readonly remoteTag = 'far';
  readonly remote = { name: undefined, uri: 'sip:far@127.0.0.1', params: {} };
  /** What {@link store} tells, and what a restored one is made from. */
  stored: object = { fake: true };
  state: Dialog['state'];
  /** Headers of every request, in order. */
  readonly headers: ExtraHeaders[] = [];
  onAck: Dialog['onAck'] = undefined;
  onReinvite: Dialog['onReinvite'] = undefined;
  onUpdate: Dialog['onUpdate'] = undefined;
  onRequest: Dialog['onRequest'] = undefined;
  onEnd: Dialog['onEnd'] = undefined;
  readonly sessionTimer = undefined;
  role: Dialog['role'] = 'caller';
  localDescription: Body | undefined = undefined;
  /** What the far side takes and speaks, in upper and lower case. */
  readonly abilities = new Set<string>();
  readonly sent: Sent = [];
  /** What the far side answers to a re-INVITE or another request. */
  answerTo: (method: string) => SipResponse | Promise<SipResponse> = () => fakeResponse(200, 'answer');

  constructor(state: Dialog['state'] = 'confirmed') {
    this.state = state;
  }

  allows(method: string): boolean {
    return this.abilities.has(method);
  }

  supports(tag: string): boolean {
    return this.abilities.has(tag);
  }

  update(options: { headers?: ExtraHeaders; body?: Body }): Promise<SipResponse> {
    return this.request('UPDATE', options);
  }

  store() {
    return this.stored as StoredDialog;
  }

  async request(method: string, options: { headers?: ExtraHeaders; body?: Body } = {}): Promise<SipResponse> {
    this.sent.push(line(method, options.body));
    this.headers.push(options.headers ?? {});
    return this.answerTo(method);
  }

  async reinvite(options: { headers?: ExtraHeaders; body?: Body }) {
    this.sent.push(line('INVITE', options.body));
    const response = await this.answerTo('INVITE');
    return { response, ack: (body?: Body) => void this.sent.push(line('ACK', body)) };
  }

  async bye(): Promise<SipResponse> {
    this.state = 'terminated';
    this.sent.push('BYE');
    return fakeResponse(200);
  }

  /** The far side hangs up. */
  end(by: DialogEnd['by'] = 'remote'): void {
    this.state = 'terminated';
    this.onEnd?.({ by, request: undefined });
  }
}

export class FakeInvite extends FakeIncoming implements IncomingInvite {
  readonly localTag = 'near';
  /** The options of every response, in order. */
  readonly options: InviteResponseOptions[] = [];
  /** Early dialogs, by branch. */
  readonly earlyDialogs = new Map<string, FakeDialog>();
  onCancel: (() => void) | undefined = undefined;
  onPrack: IncomingInvite['onPrack'] = undefined;
  readonly dialog = new FakeDialog();

  override respond(status: number, options: InviteResponseOptions = {}): void {
    super.respond(status, options);
    this.options.push(options);
    const { branch = '' } = options;
    if (status > 100 && status < 200 && !this.earlyDialogs.has(branch))
      this.earlyDialogs.set(branch, new FakeDialog('early'));
  }

  early(branch = ''): Dialog | undefined {
    return this.earlyDialogs.get(branch);
  }

  accept(options: InviteResponseOptions = {}): Dialog {
    this.options.push(options);
    this.sent.push(line(200, options.body));
    return this.dialog;
  }

  cancel(): void {
    this.sent.push('487');
    this.onCancel?.();
  }
}

/** Remembers the last call that was placed; its `options` are the way to answer it. */
export class FakeUserAgent implements UserAgent {
  readonly listening = [flow.local];
  readonly counters = {};
  readonly sent: Sent = [];
  readonly dialog = new FakeDialog();
  options: OutgoingInviteOptions | undefined;

  async request(): Promise<SipResponse> {
    return fakeResponse(200);
  }

  invite(options: OutgoingInviteOptions): OutgoingInvite {
    this.options = options;
    this.sent.push(line('INVITE', options.body));
    return { callId: 'fake', localTag: 'near', cancel: () => void this.sent.push('CANCEL') };
  }

  /** Dialogs that were restored, in order. */
  readonly restored: FakeDialog[] = [];

  restoreDialog(stored: StoredDialog): Dialog {
    const dialog = new FakeDialog();
    dialog.stored = stored;
    this.restored.push(dialog);
    return dialog;
  }

  findDialog(): Dialog | undefined {
    return undefined;
  }

  accept(sdp: string): void {
    this.options?.onAccepted(
      fakeResponse(200, sdp),
      this.dialog,
      (body) => void this.sent.push(line('ACK', body)),
    );
  }

  useTls(): void {}

  isOpen(): boolean {
    return true;
  }

  async close(): Promise<void> {}
}
