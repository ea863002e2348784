// Keep-alives of phones behind NAT (RFC 5626 section 3.5): answered on streams, taken without a word over UDP.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { install } from './installation.ts';

const PING = '\r\n\r\n';
const PONG = '\r\n';
const installation = await install({ tls: true });
t.teardown(() => installation.stop());
const { sip, tls } = installation;

const OPTIONS = (transport: string) =>
  [
    `OPTIONS sip:${sip.host}:${sip.port} SIP/2.0`,
    `Via: SIP/2.0/${transport} 127.0.0.1:9;branch=z9hG4bKkeep${transport};rport`,
    'Max-Forwards: 70',
    'From: <sip:x@127.0.0.1>;tag=1',
    `To: <sip:${sip.host}>`,
    `Call-ID: keep-alive-${transport}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');

async function open(transport: 'TCP' | 'TLS'): Promise<Socket> {
  if (transport === 'TCP') {
    const socket = connect(sip.port, sip.host);
    await once(socket, 'connect');
    return socket;
  }
  const socket = connectTls({
    host: sip.host,
    port: tls.port,
    ca: tls.authority.certificate,
    servername: '',
  });
  await once(socket, 'secureConnect');
  return socket;
}

for (const transport of ['TCP', 'TLS'] as const)
  t.test(`${transport}: each ping is answered, between messages too`, async (t) => {
    const socket = await open(transport);
    t.teardown(() => socket.destroy());
    let heard = '';
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString();
    });
    const until = async (isSo: () => boolean) => {
      while (!isSo()) await once(socket, 'data');
    };
    socket.write(PING);
    await until(() => heard === PONG);
    socket.write(`${PING}${OPTIONS(transport)}${PING}`);
    await until(() => heard.endsWith(`${PING}${PONG}`));
    t.match(heard.slice(PONG.length), /^\r\nSIP\/2\.0 \d{3} [\s\S]*\r\n\r\n\r\n$/);
    // A single CRLF between messages is none (RFC 3261 section 7.5).
    socket.write(PONG);
    for (let n = 1; n <= 3; n += 1) {
      const { length } = heard;
      socket.write(PING);
      await until(() => heard.length > length);
      t.equal(heard.slice(length), PONG, `ping ${n}`);
    }
  });

t.test('UDP: it is no message, and what comes after it is one', async (t) => {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  for (const bytes of [PING, PONG, '\0\0\0\0', OPTIONS('UDP')]) socket.send(bytes, sip.port, sip.host);
  const [answer] = await once(socket, 'message');
  t.match(String(answer), /^SIP\/2\.0 \d{3} /, 'the only answer');
});
