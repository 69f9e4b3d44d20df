import { chmodSync } from 'node:fs';
import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { asOrdinaryUser, givingIds, USER } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();

const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);

const number = expect.any(Number);
const printed = (peak: unknown, cpu: unknown): unknown => [['42\n'], ['ok'], ['exited with 0'], [peak, cpu, number]];
const tools = ['python3'];
const users = requires({ root: true, kernel: '6.6', tools: [...tools, 'unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'cp'] });
const withIds = requires({ root: true, kernel: '6.6', tools: [...tools, 'unshare', 'setpriv', 'mount', 'newuidmap', 'newgidmap'] });

requires({ tools }).it('the first example of the README does what it says', async () => {
  expect(await runNode('first-example')).toEqual(printed(expect.toBeOneOf([number, null]), number));
});

users.it('the same for an ordinary user', async () => {
  expect(await asOrdinaryUser('first-example')).toEqual(printed(null, number));
});

withIds.it('and for one with subordinate ids', async () => {
  expect(await asOrdinaryUser('first-example', [], givingIds(folder, `${USER}:200000:65536`))).toEqual(printed(null, number));
});
