// Where keys stand in a TOML text: tables, arrays of tables, dotted and quoted keys, strings over several lines.
import fc from 'fast-check';
import t from 'tap';
import { lineOf, locateKeys, showPath } from './toml-lines.ts';

const TEXT = `# comment = 1
top = 1
"quoted" = 2
[sip]   # a comment
listen = [
  "udp:127.0.0.1:5060",
]
  realm = """
not.a.key = 1
[not.a.table]
"""
inline = """one line"""
after = 1
[a . "b c"]
'literal' = 1
[[trunk]]
host = "x"
[[trunk]]
host = "y"
[trunk.deep]
dotted.key = 1
[[trunk.way]]
[trunk.way.far]
[[trunk.way]]
key = 1
[[trunk]]
[[trunk.way]]
`;

t.test('each key has its line', async (t) => {
  t.strictSame(Object.fromEntries(locateKeys(TEXT)), {
    top: 2,
    quoted: 3,
    sip: 4,
    'sip.listen': 5,
    'sip.realm': 8,
    'sip.inline': 12,
    'sip.after': 13,
    'a.b c': 14,
    'a.b c.literal': 15,
    'trunk[0]': 16,
    'trunk[0].host': 17,
    'trunk[1]': 18,
    'trunk[1].host': 19,
    'trunk[1].deep': 20,
    'trunk[1].deep.dotted.key': 21,
    'trunk[1].way[0]': 22,
    'trunk[1].way[0].far': 23,
    'trunk[1].way[1]': 24,
    'trunk[1].way[1].key': 25,
    'trunk[2]': 26,
    'trunk[2].way[0]': 27,
  });
});

t.test('lines that end in CR LF', async (t) => {
  t.equal(locateKeys('[sip]\r\nrealm = "x"\r\n').get('sip.realm'), 2);
});

t.test('a key that is not written has the line of what holds it', async (t) => {
  const lines = locateKeys(TEXT);
  t.equal(lineOf(lines, ['trunk', 1, 'host']), 19);
  t.equal(lineOf(lines, ['trunk', 1, 'port']), 18);
  t.equal(lineOf(lines, ['sip', 'listen', 1]), 5);
  t.equal(lineOf(lines, ['trunk']), 16);
  t.equal(lineOf(lines, ['nowhere', 'x']), undefined);
  t.equal(lineOf(lines, []), undefined);
});

t.test('paths as messages show them', async (t) => {
  t.equal(showPath(['sip', 'listen', 1]), 'sip.listen[1]');
  t.equal(showPath(['trunk', 0, 'host']), 'trunk[0].host');
  t.equal(showPath([]), '');
});

t.test('no text upsets it', async () => {
  const piece = fc.constantFrom('[', ']', '"', "'", '"""', "'''", '=', '.', '\n', 'a', ' ', '#', '\r');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      const text = pieces.join('');
      const count = text.split('\n').length;
      for (const line of locateKeys(text).values()) if (!(line >= 1 && line <= count)) return false;
      return true;
    }),
  );
});
