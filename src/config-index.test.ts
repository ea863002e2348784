// [index]: its values, and what does not go together.
import t from 'tap';
import { checkConfig } from './config.ts';
import { placeModel } from './config-index.ts';

const mistakes = (toml: string) => checkConfig(toml).problems.map(({ key, message }) => `${key}: ${message}`);

t.test('its values, and what is none', async (t) => {
  t.same(checkConfig('').values?.index, { transcriber: 'auto', phrases: [], memory: 4000, patience: 20 });
  t.match(mistakes('index.transcriber = "parrot"'), [
    /expected one of "auto", "none", "pocketsphinx", "command"/,
  ]);
  t.match(mistakes('index.transcriber = "command"'), [/index.transcriber: needs command beside it/]);
  t.match(mistakes('index.command = ["whisper"]'), [
    /index.command: needs transcriber = "command" beside it/,
  ]);
  t.match(mistakes('index = { transcriber = "command", command = [] }'), [/index.command: expected a list/]);
  t.match(mistakes('index.phrases = ["refund", "/1e-9/"]'), [/phrases\[1\]: expected a list of words/]);
  t.match(mistakes('index = { transcriber = "none", phrases = ["refund"] }'), [/PocketSphinx alone/]);
  t.match(mistakes('index.memory = 5'), [/expected a whole number of megabytes from 100/]);
  t.same(
    mistakes('index = { transcriber = "command", command = ["whisper", "{wav}"], model = "base.en" }'),
    [],
  );
});

t.test('a model is a directory beside the configuration; to a command it is a name', async (t) => {
  t.equal(placeModel('/etc/grec', { transcriber: 'auto', model: 'en' }), '/etc/grec/en');
  t.equal(placeModel('/etc/grec', { transcriber: 'command', model: 'en' }), 'en');
  t.equal(placeModel('/etc/grec', { transcriber: 'auto' }), undefined);
});
