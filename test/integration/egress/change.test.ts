import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { throughUser } from '../../fixtures/become-user.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// A list that changes while the container lives.
const { describe, it } = requires({ root: true, tools: ['unshare', 'ip', 'mount', 'setpriv', 'chown', 'mkdir', 'sleep'] });

useLeakCheck();
const parent = temporaryFolder();
useNewStore(parent);
chmodSync(parent, 0o755);

const LINK = 'ip link set lo up; ip addr add 192.0.2.1/24 dev lo';
const ways = {
  root: () => ({
    through: ['unshare', '-n', 'sh', '-ec', `${LINK}\nexec "$@"`, 'sh'],
    env: { NACELLE_RUNROOT: join(parent, 'run'), NACELLE_ROOT: join(parent, 'store') },
  }),
  'an ordinary user': () => ({ through: ['unshare', '-n', ...throughUser(LINK)] }),
};

describe('another list', () => {
  it.each(Object.keys(ways) as (keyof typeof ways)[])('takes the place of the one before, for %s', async (who) => {
    const refused = expect.stringMatching(/^E[A-Z]+$/);
    const [then, now] = [
      { 7001: 'server 7001', 7002: refused },
      { 7001: refused, 7002: 'server 7002' },
    ];
    const nothing = { 7001: 'ENETUNREACH', 7002: 'ENETUNREACH', host: 'the caller', name: expect.stringMatching(/^E[A-Z_]+$/) };
    const lo = expect.stringMatching(/^lo UNKNOWN 127\.0\.0\.1\/8 198\.19\.255\.254\/32 (::1\/128 )?$/);
    expect(await runNode('egress-change', [], ways[who]())).toEqual({
      early: 'no error',
      premature: who === 'root' ? [false, false, false, false, false] : [],
      before: then,
      ended: 'open\nECONNRESET',
      stayed: 'open',
      after: now,
      egress: { allow: ['192.0.2.1/32:7002', '192.0.2.1/32:7003'], deny: [] },
      again: now,
      wrong: {
        none: expect.stringMatching(/^ERR_INVALID_OPTION: option allow: /),
        words: expect.stringMatching(/^ERR_INVALID_OPTION: option allow\[0\]: 'https:\/\/example\.org' is a URL/),
      },
      gone: expect.stringMatching(/^ERR_STATE: setEgress\(\) of the container ID: it has ended/),
      never: expect.stringMatching(/^ERR_UNSUPPORTED: setEgress\(\) is not supported here: the container has none/),
      refused: [7002, 7001, 7001],
      hears: { got: then, before: true },
      // what is left of the loopback is its own, and where the caller's ports are
      lifted: { ended: 'open\nECONNRESET', got: nothing, lo, routes: '', egress: null },
      liftedAgain: who === 'root' ? { got: nothing, lo } : null,
      putBack: { got: { ...now, host: 'the caller', name: refused }, egress: { allow: ['192.0.2.1/32:7002'], deny: [] } },
      heard: [7002, 7001, null],
    });
  });
});

requires({ containers: true }).it('is not held up by the image of who will share the network', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const stop = new AbortController();
  try {
    await using container = await Container.create({ image: 'host', command: ['sleep', 'infinity'], egress: { allow: ['a.example'] } });
    await container.start();
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const asked = once(silent, 'connection');
    const made = Container.create({ image: `127.0.0.1:${port}/test/image:1`, network: container, cancelSignal: stop.signal });
    const failed = made.catch((error: unknown) => error);
    await asked;
    await container.setEgress({ allow: ['b.example'] });
    expect((await container.inspect()).options?.egress).toEqual({ allow: ['b.example'], deny: [] });
    stop.abort(new Error('no longer wanted'));
    expect(await failed).toBe(stop.signal.reason);
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});
