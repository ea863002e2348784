// Session-ID: taken over when it is one, made when it is not.
import t from 'tap';
import { sessionIdHeader, sessionIdOf } from './session-id.ts';

const GIVEN = 'ab30317f1a784dc48ff824d0d3715d86';

t.test('the local identifier of a header is the conversation', async (t) => {
  t.equal(sessionIdOf(`${GIVEN};remote=47755a9de7794ba387653f2099600ef2`), GIVEN);
  t.equal(sessionIdOf(GIVEN.toUpperCase()), GIVEN);
});

for (const [what, header] of [
  ['none', undefined],
  ['nil', '0'.repeat(32)],
  ['something else', 'hello;remote=x'],
  ['too long', `${GIVEN}00`],
] as const) {
  t.test(`with ${what}, a new one is made`, async (t) => {
    t.match(sessionIdOf(header), /^[0-9a-f]{32}$/);
    t.not(sessionIdOf(header), sessionIdOf(header));
  });
}

t.test('the header names the conversation', async (t) => {
  t.equal(sessionIdHeader(GIVEN), `${GIVEN};remote=${'0'.repeat(32)}`);
});
