// `grec up --listen`: which addresses it takes, and what of the configuration it leaves.
import t from 'tap';
import { loadConfig } from '../config.ts';
import { withListen } from './up.ts';

t.test('--listen keeps the TLS port of the configuration', async (t) => {
  const config = loadConfig({ env: {}, uid: 0 });
  const listen = [{ protocol: 'tls', host: '0.0.0.0', port: 5071 } as const];
  const { sip } = withListen({ ...config, sip: { ...config.sip, listen } }, '192.0.2.1:5062', () => true);
  t.strictSame(
    sip.listen.map(({ protocol, host, port }) => `${protocol} ${host} ${port}`),
    ['udp 192.0.2.1 5062', 'tcp 192.0.2.1 5062', 'tls 192.0.2.1 5071'],
  );
});

t.test('--listen: what is accepted', async (t) => {
  const config = loadConfig({ env: {}, uid: 0 });
  const listens = (text: string) => {
    const { sip, mediad } = withListen(config, text, () => true);
    t.equal(sip.listen[0]?.host, mediad.address);
    return `${sip.listen[0]?.host} ${sip.listen[0]?.port}`;
  };
  t.equal(listens('192.0.2.1'), '192.0.2.1 5060');
  t.equal(listens('192.0.2.1:5070'), '192.0.2.1 5070');
  t.equal(listens('::1'), '::1 5060');
  t.equal(listens('[2001:db8::1]:5070'), '2001:db8::1 5070');
  t.equal(listens('[2001:db8::1]'), '2001:db8::1 5060');
  for (const wrong of [
    '',
    'host',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:99999',
    '192.0.2.300',
    '[::1',
    '5060',
  ])
    t.throws(() => withListen(config, wrong), { code: 'USAGE', message: /expected ADDRESS/ }, wrong);
  for (const own of ['127.0.0.1', '127.1.2.3:5070']) t.ok(withListen(config, own), own);
  for (const strange of ['192.0.2.99', '2001:db8::99', '[2001:db8::99]:5060'])
    t.throws(
      () => withListen(config, strange),
      { code: 'USAGE', message: /this machine has no address/, hint: /^addresses here: / },
      strange,
    );
  for (const any of ['0.0.0.0', '::', '[::]:5060', '0.0.0.0:5060'])
    t.throws(() => withListen(config, any), { code: 'USAGE', message: /one address of this machine/ }, any);
});
