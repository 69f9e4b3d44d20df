import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, makeNet, useNets } from '../fixtures/nets.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({
  ...{ root: true, containers: true, networksBuild: true },
  tools: ['ip', 'nsenter', 'unshare', 'dig', 'getent', 'sleep'],
});
const folder = temporaryFolder();
useNets();

describe('an upgrade', () => {
  it('keeps the sockets by which a container asks about names', async () => {
    const other = process.env.NACELLE_OTHER_NETWORKS ?? '';
    const net = await makeNet();
    await inside(net, 'ip', 'link', 'set', 'lo', 'up');
    for (const name of ['run', 'store']) mkdirSync(join(folder, name));
    const env = { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') };
    const through = ['nsenter', '-t', String(net.pid), '-n'];
    expect(await runNode('container-names', ['upgrade', other], { through, env })).toEqual({
      before: ['10.89.0.2', true],
      upgraded: [true, true],
      after: '10.89.0.2',
      afterKill: '10.89.0.2',
      gone: 'SERVFAIL',
      membersLeft: [],
    });
  });
});
