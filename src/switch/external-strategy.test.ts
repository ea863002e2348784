// Asking an external strategy: answers, and every way in which there is none.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { ExternalStrategy } from './external-strategy.ts';

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/route`;
}

function strategy(t: Test): ExternalStrategy {
  const external = new ExternalStrategy();
  t.teardown(() => external.close());
  return external;
}

t.test('the question is posted as JSON, the answer is read', async (t) => {
  const asked: unknown[] = [];
  const url = await serve(t, async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    asked.push([request.method, request.url, request.headers['content-type'], JSON.parse(body)]);
    response.end('{"record":"source"}');
  });
  t.same(await strategy(t).ask(url, { to: '7001', name: 'Ä' }, 5000), { json: { record: 'source' } });
  t.same(asked, [['POST', '/route', 'application/json', { to: '7001', name: 'Ä' }]]);
});

t.test('what is no answer', async (t) => {
  const external = strategy(t);
  const answers: Record<string, RequestListener> = {
    'HTTP status 500': (_request, response) => void response.writeHead(500).end('{}'),
    'HTTP status 302': (_request, response) => void response.writeHead(302, { location: '/' }).end(),
    'HTTP status 204': (_request, response) => void response.writeHead(204).end(),
    JSON: (_request, response) => void response.end('nonsense'),
    'more than 65536 bytes': (_request, response) => void response.end(`"${'a'.repeat(1 << 20)}"`),
    'socket hang up': (request) => void request.socket.destroy(),
    aborted: (_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{', () => response.socket?.destroy());
    },
  };
  for (const [problem, listener] of Object.entries(answers)) {
    const answer = await external.ask(await serve(t, listener), {}, 5000);
    t.match(answer, { problem: new RegExp(problem) }, problem);
  }
  t.match(await external.ask('http://127.0.0.1:1/', {}, 5000), { problem: /ECONNREFUSED/ });
});

t.test('one that hangs, at any point, is given up in time', async (t) => {
  const external = strategy(t);
  const silent = await serve(t, () => undefined);
  t.same(await external.ask(silent, {}, 30), { problem: 'no answer within 30 ms' });
  const halfway = await serve(t, (_request, response) => void response.write('{"a":'));
  t.same(await external.ask(halfway, {}, 30), { problem: 'no answer within 30 ms' });
});

t.test('calls do not pile up behind one that hangs', async (t) => {
  const external = strategy(t);
  const silent = await serve(t, () => undefined);
  const asked = Array.from({ length: 300 }, () => external.ask(silent, {}, 500));
  t.match(await external.ask(silent, {}, 500), { problem: /wait for it already/ });
  const problems = (await Promise.all(asked)).map((answer) => ('problem' in answer ? answer.problem : ''));
  t.equal(problems.filter((problem) => problem.includes('wait for it')).length, 300 - 256);
  const url = await serve(t, (_request, response) => void response.end('{}'));
  t.same(await external.ask(url, {}, 5000), { json: {} }, 'and there is room again');
});
