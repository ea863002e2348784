// [switch.defaults]: one schema with the settings of DNs, every mistake with its line.
import { join } from 'node:path';
import t from 'tap';
import { printConfig } from './cli/config-toml.ts';
import { checkConfig, loadConfig, parseConfig } from './config.ts';
import { BUILT_IN_DEFAULTS, DN_TYPES, settingsProblem } from './dn-settings.ts';

t.test('what is not said in the configuration either', async (t) => {
  const { switch: values } = parseConfig('', 'f');
  t.same(values.defaults, BUILT_IN_DEFAULTS);
  t.match(values, { 'agent-login-code': '*22', 'agent-logout-code': '*23' });
});

t.test('defaults survive being printed, as `grec up --listen` does', async (t) => {
  const text =
    '[switch]\nagent-login-code = ""\n[switch.defaults]\nrecord = true\nrecording-filename = "$ani$"\nretention = "year"\n';
  const file = join(t.testdir({ 'grec.toml': text }), 'grec.toml');
  const config = loadConfig({ file });
  t.same(parseConfig(printConfig(config), 'f').switch.defaults, config.switch.defaults);
  t.equal(parseConfig(printConfig(config), 'f').switch['agent-login-code'], '');
});

t.test('mistakes have their line and say what is accepted', async (t) => {
  const { problems } = checkConfig(`[switch]
agent-login-code = "login"
[switch.defaults]
record = 1
recording-filename = "a/b"
retention = "Seven Years"
anchor = "never"
name = "x"
`);
  t.match(problems, [
    { line: 2, key: 'switch.agent-login-code', message: /up to 8 of/ },
    { line: 4, key: 'switch.defaults.record', message: /true or false/ },
    { line: 5, key: 'switch.defaults.recording-filename', message: /without directories/ },
    { line: 6, key: 'switch.defaults.retention', message: /1 to 32 of a-z/ },
    { line: 7, key: 'switch.defaults.anchor', message: /"recording", "always"/ },
    { line: 8, key: 'switch.defaults.name', message: /unknown key; accepted here: record,/ },
  ]);
});

t.test('what each kind of DN can have', async (t) => {
  const problems = (settings: object, hasPassword: boolean) =>
    DN_TYPES.filter((type) => settingsProblem(type, settings, hasPassword) !== undefined);
  t.same(problems({}, false), []);
  t.same(problems({ record: false }, false), ['routing-point']);
  t.same(problems({}, true), ['agent-login', 'routing-point']);
});
