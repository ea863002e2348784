// Recordings by Web Services: who sees which, pages, metadata, audio, and what is said of them afterwards.
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import type { Config } from '../config.ts';
import {
  ABSENT,
  archiveAll,
  FAILED,
  MINE,
  MY_CALL,
  OTHER_CALL,
  OTHERS,
  SEALED,
  withProcessor,
  withSwitch,
} from './recordings-fixture.ts';
import { type Answered, services } from './web-fixture.ts';

async function withRecordings(t: Test, more: (config: Config) => Promise<unknown> = async () => undefined) {
  return services(t, {
    prepare: async (config) => {
      mkdirSync(config.paths.run, { recursive: true });
      await archiveAll(config);
      await more(config);
    },
  });
}

function ids({ body }: Answered): string[] {
  return (body as { recordings: { id: string }[] }).recordings.map(({ id }) => id);
}

function audited({
  paths: { audit },
}: Config): { user: string; from: string; what: string; recording?: string }[] {
  const files = readdirSync(audit).filter((name) => name.endsWith('.jsonl'));
  return files.flatMap((file) =>
    readFileSync(join(audit, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
}

t.test('everybody sees theirs, and what is not theirs is not there', async (t) => {
  const { ask } = await withRecordings(t);
  t.same(ids(await ask('root', 'GET', '/recordings')), [FAILED, SEALED, OTHERS, MINE]);
  t.same(ids(await ask('ann', 'GET', '/recordings')), [FAILED, SEALED, MINE]);
  t.same(ids(await ask('sue', 'GET', '/recordings')), [FAILED, SEALED, MINE], 'those of whom she supervises');
  t.equal((await ask('otto', 'GET', '/recordings')).status, 403);
  for (const who of ['ann', 'sue'] as const)
    for (const path of [`/recordings/${OTHERS}`, `/recordings/${OTHERS}/play/audio.wav`]) {
      const hidden = await ask(who, 'GET', path);
      const absent = await ask(who, 'GET', path.replace(OTHERS, ABSENT));
      t.equal(hidden.status, 404);
      t.same(
        hidden.body,
        JSON.parse(JSON.stringify(absent.body).replaceAll(ABSENT, OTHERS)),
        'in the same words',
      );
    }
  t.equal((await ask('root', 'GET', `/recordings/${OTHERS}`)).status, 200);
});

t.test('a list is filtered, sorted, and given a page at a time', async (t) => {
  const { ask, config } = await withRecordings(t);
  const list = async (query: string) => ids(await ask('root', 'GET', `/recordings?${query}`));
  t.same(await list('sort=startTime'), [MINE, OTHERS, SEALED, FAILED]);
  t.same(await list('recordDN=7002'), [OTHERS]);
  t.same(await list('state=failed'), [FAILED]);
  t.same(await list('callerPhoneNumber=7*&dialedPhoneNumber=7001&minDuration=1'), [SEALED, OTHERS, MINE]);
  for (const none of [
    'callerPhoneNumber=7',
    'callerPhoneNumber=70%3F2',
    'callerPhoneNumber=%5B7%5D*',
    "callerPhoneNumber=7'",
    'label=x',
    'nonDelete=true',
  ])
    t.same(await list(none), [], none);
  t.same(await list('callerPhoneNumber=*7*2*&state=failed'), [FAILED]);
  t.equal(
    (await ask('root', 'GET', '/recordings?callerPhoneNumber=*1*1*1*1*1')).status,
    400,
    'too many stars',
  );
  t.same(await list('startTime=2026-01-31T09:06:00Z&endTime=2026-01-31T10:07:00%2B01:00'), [OTHERS]);
  const walk = async (query: string) => {
    const found: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Answered = await ask(
        'root',
        'GET',
        `/recordings?limit=1&${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...ids(page));
      cursor = (page.body as { next: string | null }).next;
    }
    return found;
  };
  t.same(await walk(''), [FAILED, SEALED, OTHERS, MINE]);
  t.same(await walk('sort=startTime'), [MINE, OTHERS, SEALED, FAILED]);
  const catalog = openCatalog(config.paths.catalog);
  const [row] = catalog.list({ limit: 1 });
  if (row === undefined) throw new Error('there is one');
  catalog.putRecording({ ...row, id: ABSENT, startTime: row.startTime + 1 }, [], 1);
  catalog.close();
  t.equal((await walk('')).length, 5, 'what came meanwhile is there too');
});

t.test('one recording has the members that users of the original know', async (t) => {
  const { ask } = await withRecordings(t);
  const { body } = await ask('ann', 'GET', `/recordings/${MINE}`);
  t.match(body, {
    statusCode: 0,
    recording: {
      id: MINE,
      callerPhoneNumber: '7002',
      dialedPhoneNumber: '7001',
      startTime: '2026-01-31T09:05:07.250Z',
      mediaFiles: [
        {
          mediaPath: 'audio.wav',
          playPath: `/api/v2/recordings/${MINE}/play/audio.wav`,
          duration: '2000',
          size: '64044',
        },
      ],
      eventHistory: [],
      attachedData: { queue: 'sales' },
    },
  });
  const failed = await ask('ann', 'GET', `/recordings/${FAILED}`);
  t.match(failed.body, { recording: { state: 'failed', reason: 'no media', mediaFiles: [] } });
});

t.test('labels, comments and holds are made by the processor, in the name of the user', async (t) => {
  const { ask, config } = await withRecordings(t, (config) => withProcessor(t, config));
  const labelled = await ask('sue', 'POST', `/recordings/${MINE}/labels`, {
    body: { add: ['complaint', 'h\u00f6flich'] },
  });
  t.match(labelled, { status: 200, body: { labels: ['complaint', 'h\u00f6flich'] } });
  t.match(await ask('sue', 'POST', `/recordings/${MINE}/comments`, { body: { text: 'listen' } }), {
    status: 200,
    body: { comments: [{ user: 'sue', text: 'listen' }] },
  });
  t.same(ids(await ask('ann', 'GET', '/recordings?label=complaint')), [MINE]);
  const hold = (operationName: string) =>
    ask('sue', 'POST', `/recordings/${MINE}`, { body: { operationName, reason: 'case 12' } });
  t.match(await hold('applyNonDelete'), { status: 200, body: { nonDelete: true, holdReason: 'case 12' } });
  t.match(await hold('applyNonDelete'), { status: 409, body: { type: 'urn:grec:problem:hold-exists' } });
  t.same(ids(await ask('ann', 'GET', '/recordings?nonDelete=true')), [MINE]);
  t.match(await ask('ann', 'GET', `/recordings/${MINE}`), {
    body: { recording: { nonDelete: true, holdReason: 'case 12' } },
  });
  t.match(await hold('removeNonDelete'), { status: 200, body: { nonDelete: false } });
  t.match(await hold('removeNonDelete'), { status: 409 });
  t.equal((await ask('ann', 'POST', `/recordings/${MINE}/labels`, { body: { add: ['x'] } })).status, 403);
  t.equal((await ask('sue', 'POST', `/recordings/${OTHERS}/labels`, { body: { add: ['x'] } })).status, 404);
  const entries = audited(config).filter(({ what }) => ['label', 'hold', 'unhold'].includes(what));
  t.ok(entries.length >= 4);
  for (const { user, from } of entries)
    t.match({ user, from }, { user: 'sue', from: /^web 127\.0\.0\.1, token / });
});

t.test('each access is in the audit log, and what cannot be noted is not given', async (t) => {
  const { ask, config } = await withRecordings(t);
  await ask('ann', 'GET', '/recordings?callerPhoneNumber=7*');
  await ask('ann', 'GET', `/recordings/${MINE}`);
  await ask('ann', 'GET', `/recordings/${MINE}/play/audio.wav`);
  await ask('ann', 'GET', `/recordings/${OTHERS}`);
  t.match(audited(config), [
    { user: 'ann', from: /^web 127\.0\.0\.1, token /, what: 'list' },
    { user: 'ann', what: 'show', recording: MINE },
    { user: 'ann', what: 'play', recording: MINE },
  ]);
  const log = await ask('otto', 'GET', '/audit?user=ann&limit=2');
  t.match(log.body, { entries: [{ what: 'list' }, { what: 'show' }], next: 2 });
  t.match((await ask('otto', 'GET', '/audit?user=ann&after=2')).body, {
    entries: [{ what: 'play' }],
    next: null,
  });
  t.equal((await ask('root', 'GET', '/audit')).status, 403);
  rmSync(config.paths.audit, { recursive: true });
  writeFileSync(config.paths.audit, 'no directory');
  for (const path of ['/recordings', `/recordings/${MINE}`, `/recordings/${MINE}/play/audio.wav`])
    t.match(await ask('ann', 'GET', path), {
      status: 503,
      body: { type: 'urn:grec:problem:audit-unwritable' },
    });
});

t.test('calls, and what is asked of their recordings', async (t) => {
  let asked: Awaited<ReturnType<typeof withSwitch>> = [];
  const { ask, config } = await withRecordings(t, async (config) => {
    asked = await withSwitch(t, config);
  });
  const calls = async (who: 'ann' | 'sue' | 'root', path: string) =>
    ((await ask(who, 'GET', path)).body as { calls: { id: string }[] }).calls.map(({ id }) => id);
  t.same(await calls('ann', '/me/calls'), [MY_CALL]);
  t.same(await calls('root', '/me/calls'), []);
  t.same(await calls('sue', '/calls'), [MY_CALL]);
  t.same(await calls('root', '/calls'), [MY_CALL, OTHER_CALL]);
  t.equal((await ask('ann', 'GET', '/calls')).status, 403);
  const one = await ask('ann', 'GET', `/me/calls/${MY_CALL}`);
  t.match(one.body, {
    call: { recordingState: 'Recording', capabilities: ['PauseCallRecording', 'StopCallRecording'] },
  });
  const pause = { operationName: 'PauseCallRecording', reason: 'card number' };
  t.match(await ask('ann', 'POST', `/me/calls/${MY_CALL}`, { body: pause }), {
    status: 200,
    body: { call: { recordingState: 'Paused' } },
  });
  t.match(asked, [
    {
      params: { call: MY_CALL },
      body: { operation: 'pause', reason: 'card number', by: 'user ann' },
      by: { user: 'ann' },
    },
  ]);
  t.match(audited(config).at(-1), { what: 'call', user: 'ann' });
  t.equal((await ask('ann', 'POST', `/me/calls/${OTHER_CALL}`, { body: pause })).status, 404);
  t.equal((await ask('sue', 'POST', `/calls/${OTHER_CALL}`, { body: pause })).status, 404);
  t.equal((await ask('ann', 'GET', '/me/calls/c0ffee00')).status, 404, 'a part of an id is none');
  t.equal((await ask('root', 'GET', `/calls/${MY_CALL.slice(0, 8)}`)).status, 404);
  t.equal((await ask('root', 'GET', `/calls/${ABSENT}`)).status, 404);
  t.match(
    await ask('ann', 'POST', `/me/calls/${MY_CALL}`, { body: { operationName: 'ResumeCallRecording' } }),
    { status: 409 },
  );
  t.equal(asked.length, 2);
  t.equal(
    (await ask('ann', 'POST', `/me/calls/${MY_CALL}`, { body: { operationName: 'Explode' } })).status,
    400,
  );
});

t.test('DNs: read by whom they concern, changed by an admin', async (t) => {
  const { ask, config } = await withRecordings(t, (config) => withSwitch(t, config));
  t.match((await ask('ann', 'GET', '/dns')).body, { dns: [{ number: '7001', record: true }] });
  t.equal(((await ask('root', 'GET', '/dns')).body as { dns: unknown[] }).dns.length, 2);
  t.equal((await ask('ann', 'GET', '/dns/7002')).status, 404);
  t.equal((await ask('root', 'GET', '/dns/7999')).status, 404);
  t.equal((await ask('ann', 'PUT', '/dns/7001/settings', { body: { record: false } })).status, 403);
  const set = await ask('root', 'PUT', '/dns/7001/settings', { body: { record: false, name: 'Ann' } });
  t.match(set, { status: 200, body: { dn: { number: '7001', record: false, name: 'Ann' } } });
  t.match(audited(config).at(-1), { what: 'dn', user: 'root', from: /^web / });
  t.equal((await ask('root', 'PUT', '/dns/7001/settings', { body: { password: 'x' } })).status, 400);
  t.equal(
    (await ask('root', 'PUT', '/dns/7999/settings', { body: { record: true } })).status,
    404,
    'none is made',
  );
  t.notMatch(JSON.stringify((await ask('root', 'GET', '/dns')).body), /ha1|contact|password/i);
});

t.test('what does not run is told of, without a word of this machine', async (t) => {
  const { ask, config } = await withRecordings(t);
  for (const [path, body] of [
    ['/me/calls', undefined],
    ['/dns', undefined],
    [`/recordings/${MINE}/labels`, { add: ['x'] }],
  ] as const) {
    const answer = await ask(
      path === '/me/calls' ? 'ann' : 'sue',
      body === undefined ? 'GET' : 'POST',
      path,
      { body },
    );
    t.equal(answer.status, 503, path);
    t.notMatch(JSON.stringify(answer.body), /sock|state|tmp/);
  }
  t.match(await ask(null, 'GET', '/ready'), {
    status: 503,
    body: { detail: 'not there: switch, processor' },
  });
  appendFileSync(config.paths.catalog, '');
  renameSync(config.paths.catalog, `${config.paths.catalog}.old`);
  t.match(await ask('ann', 'GET', '/recordings'), {
    status: 503,
    body: { type: 'urn:grec:problem:catalog-unusable' },
  });
  renameSync(`${config.paths.catalog}.old`, config.paths.catalog);
  t.equal((await ask('ann', 'GET', '/recordings')).status, 200, 'and is used again when it is there');
});
