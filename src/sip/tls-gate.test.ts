// TLS in portions: however a peer cuts its records, a turn of the event loop decrypts little, and nothing is lost.
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import t from 'tap';
import { makeCertificate } from '../testing/certificate.ts';
import { rawRequest } from './raw-peer-fixture.ts';
import { TlsEndpoint } from './tls.ts';
import { TlsGate } from './tls-gate.ts';
import { Turns } from './turns.ts';
import type { TlsIdentity } from './user-agent.ts';
import { eventually, newAgent, type Teardown } from './user-agent-fixture.ts';

const HOST = '127.0.0.1';
const { certificate, key } = makeCertificate();
const IDENTITY: TlsIdentity = {
  certificate,
  key,
  ca: certificate,
  verifyClients: false,
  verifyServers: true,
};

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A client that has its records ready before it sends them. */
class RecordPeer extends Duplex {
  readonly raw: Socket;
  #kept: Buffer[] | undefined;

  constructor(port: number) {
    super();
    this.raw = connectTcp(port, HOST);
    this.raw.on('data', (chunk: Buffer) => this.push(chunk));
    this.raw.on('error', () => undefined);
    this.raw.on('close', () => this.destroy());
  }

  static async open(t: Teardown, port: number): Promise<[RecordPeer, TLSSocket]> {
    const peer = new RecordPeer(port);
    const secure = connect({ socket: peer, ca: certificate, servername: 'localhost' });
    secure.on('error', () => undefined);
    t.teardown(() => peer.raw.destroy());
    await once(secure, 'secureConnect');
    return [peer, secure];
  }

  /** Records of a byte each. */
  async cut(secure: TLSSocket, text: string): Promise<Buffer> {
    this.#kept = [];
    for (const byte of Buffer.from(text)) await new Promise((done) => secure.write(Buffer.of(byte), done));
    return Buffer.concat(this.#kept);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#kept === undefined) return void this.raw.write(chunk, done);
    this.#kept.push(chunk);
    done();
  }
}

/** The server's end of each connection. */
async function gated(t: Teardown, turns: Turns) {
  const endpoint = new TlsEndpoint(IDENTITY);
  const secured: TLSSocket[] = [];
  const server = createServer({ allowHalfOpen: true }, (raw) => {
    t.teardown(() => raw.destroy());
    endpoint.accept(new TlsGate(raw, turns), (secure) => {
      secured.push(secure);
      secure.on('error', () => undefined);
    });
  }).listen(0, HOST);
  t.teardown(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  return { secured, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

const options = (port: number, callId: string) =>
  rawRequest({ method: 'OPTIONS', port: 9, to: port, transport: 'TLS', callId });

t.test('what one turn decrypts is little, of all connections together', async (t) => {
  const connections = 4;
  const records = 2000;
  // Time for one portion, or two.
  const { secured, port } = await gated(t, new Turns(0.05));
  const peers = await Promise.all(Array.from({ length: connections }, () => RecordPeer.open(t, port)));
  await eventually(() => secured.length === connections);
  const sent = await Promise.all(peers.map(([peer, secure]) => peer.cut(secure, 'x'.repeat(records))));
  let ofTurn = 0;
  let most = 0;
  let all = 0;
  for (const secure of secured)
    secure.on('data', (chunk: Buffer) => {
      ofTurn += chunk.length;
      all += chunk.length;
    });
  for (const [index, [{ raw }]] of peers.entries()) raw.write(sent[index] ?? '');
  while (all < connections * records) {
    await turn();
    most = Math.max(most, ofTurn);
    ofTurn = 0;
  }
  t.ok(most < records / 2, `${most} records in one turn`);
});

t.test('what was decrypted and is not taken holds up the rest; nothing is lost', async (t) => {
  const text = 'abcdefghij'.repeat(300);
  const { secured, port } = await gated(t, new Turns());
  const [peer, client] = await RecordPeer.open(t, port);
  await eventually(() => secured.length === 1);
  const [secure] = secured;
  if (secure === undefined) return t.fail('no connection');
  secure.pause();
  peer.raw.end(await peer.cut(client, text));
  await eventually(() => secure.readableLength > 0);
  for (let count = 0; count < 50; count++) await turn();
  t.ok(secure.readableLength < 200, `${secure.readableLength} records`);
  let taken = '';
  secure.on('data', (chunk: Buffer) => {
    taken += String(chunk);
  });
  secure.resume();
  await once(secure, 'end');
  t.equal(taken, text, 'and the end comes behind all of it');
  await once(secure, 'close');
});

t.test('requests in records of a byte are answered, all of them, and then the connection ends', async (t) => {
  const { agent, port } = await newAgent(t, { protocol: 'tls', tls: IDENTITY });
  const peers = await Promise.all(Array.from({ length: 3 }, () => RecordPeer.open(t, port)));
  const ids = ['a', 'b', 'c', 'd', 'e'];
  await Promise.all(
    peers.map(async ([peer, secure], index) => {
      let text = '';
      secure.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      const bytes = await peer.cut(secure, ids.map((id) => options(port, `${id}${index}`)).join(''));
      const ended = once(secure, 'end');
      peer.raw.end(bytes);
      await ended;
      t.same(
        [...text.matchAll(/Call-ID: (.*)\r/g)].map(([, id]) => id),
        ids.map((id) => `${id}${index}`),
      );
    }),
  );
  t.equal(agent.counters['connection-error'], undefined);
});

t.test('each connection is known by its own address', async (t) => {
  const from = new Map<string, number>();
  const { port } = await newAgent(t, {
    protocol: 'tls',
    tls: IDENTITY,
    onRequest: (request) => {
      from.set(request.message.headers['call-id'], request.flow.peer.port);
      request.respond(200);
    },
  });
  const peers = await Promise.all(Array.from({ length: 20 }, () => RecordPeer.open(t, port)));
  for (const [{ raw }, secure] of peers.toReversed()) secure.write(options(port, `from-${raw.localPort}`));
  await eventually(() => from.size === peers.length);
  for (const [{ raw }] of peers) t.equal(from.get(`from-${raw.localPort}`), raw.localPort);
});

t.test('a peer that reads nothing, that resets, or whose records are none: counted once', async (t) => {
  const { agent, port } = await newAgent(t, {
    protocol: 'tls',
    tls: IDENTITY,
    limits: { writeBufferBytes: 20_000 },
  });
  const [deaf, secure] = await RecordPeer.open(t, port);
  deaf.raw.pause();
  const closed = new Promise((resolve) => deaf.raw.once('close', resolve));
  const asking = setInterval(() => {
    for (let count = 0; count < 20; count++) secure.write(options(port, 'deaf'));
  }, 1);
  t.teardown(() => clearInterval(asking));
  await eventually(() => agent.counters['connection-unread'] === 1);
  clearInterval(asking);
  deaf.raw.resume();
  await closed;
  const [rude] = await RecordPeer.open(t, port);
  rude.raw.resetAndDestroy();
  await eventually(() => agent.counters['connection-error'] !== undefined);
  for (let count = 0; count < 5; count++) await turn();
  t.equal(agent.counters['connection-error'], 1);
  const [liar] = await RecordPeer.open(t, port);
  const dropped = new Promise((resolve) => liar.raw.once('close', resolve));
  liar.raw.write(Buffer.from([23, 3, 3, 0, 40, ...Buffer.alloc(40)]));
  await dropped;
  t.equal(agent.counters['connection-error'], 2, 'what nobody can decrypt');
});

t.test('a handshake that its peer ends has failed at once', async (t) => {
  const { agent, port } = await newAgent(t, { protocol: 'tls', tls: IDENTITY });
  const raw = connectTcp({ port, host: HOST, allowHalfOpen: true });
  t.teardown(() => raw.destroy());
  raw.on('error', () => undefined).resume();
  raw.end(Buffer.from([22, 3, 1, 2, 0, 1]));
  await once(raw, 'close');
  t.equal(agent.counters['tls-handshake-failed'], 1);
});

t.test('closing says so, with what was still to be written', async (t) => {
  const { agent, port } = await newAgent(t, { protocol: 'tls', tls: IDENTITY });
  const [, secure] = await RecordPeer.open(t, port);
  secure.write(options(port, 'last'));
  t.match(String(await once(secure, 'data')), /^SIP\/2\.0 200 /);
  const ended = once(secure, 'end');
  await agent.close();
  await ended;
  t.pass('with the word that TLS has for it');
});
