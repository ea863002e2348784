// The ladders of recording on request in grec(7) are those of a real call, message for message.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { install } from './installation.ts';
import { type Rung, trace } from './ladder.ts';
import { connect, newPhone } from './phones.ts';
import { noWitness } from './witness.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'man', 'grec.7');

t.test('start, pause, resume, stop', { skip: noWitness, timeout: 60_000 }, async (t) => {
  const installation = await install();
  t.teardown(() => installation.stop());
  const [caller, agent] = [
    await newPhone(t, installation, { number: '7002' }),
    await newPhone(t, installation, { number: '7001' }),
  ];
  const [out, into] = await connect(caller, agent);
  const ng = installation.config.mediad.ng.port;
  const portOf = (contact: string) => Number(contact.split(':').at(-1));
  const rungs: Rung[] = [
    { name: '7002', port: portOf(caller.contact), media: [out.media.rtpPort] },
    { name: 'grec-sipd', port: installation.sip.port },
    { name: 'grec-mediad', port: ng },
    { name: '7001', port: portOf(agent.contact), media: [into.media.rtpPort] },
  ];
  const seen: string[] = [];
  for (const operation of ['start', 'pause', 'resume', 'stop']) {
    const watching = await trace([installation.sip.port, ng]);
    await installation.ask('grec-sipd', 'POST', '/calls/7001/recording', { operation });
    // What was sent last needs no answer: the media server has done it when it says so.
    if (operation === 'stop')
      await installation.until('the media server has let go', async () => {
        const { calls } = await installation.ask<{ calls: number }>('grec-mediad', 'GET', '/status');
        return calls === 0 ? true : undefined;
      });
    const ladder = await watching.draw(rungs);
    seen.push([`grec ${operation} 7001`, '', ...ladder].join('\n'));
  }
  const drawn = [
    ...readFileSync(PAGE, 'utf8').matchAll(/^\.Bd -literal\n(grec \w+ 7001\n[\s\S]*?)\n\.Ed$/gm),
  ];
  t.equal(drawn.map(([, text]) => text).join('\n\n'), seen.join('\n\n'));
});
