import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, Image } from '../../../lib/index.js';
import { CHANGES, CHECKS } from '../../fixtures/host-view.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'mount', 'umount'] });
const containers = requires({ containers: true, tools: ['busybox'] });
const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);

/** By a process in a mount namespace of its own: tests that run beside this one mount what they like. */
function checked(program: string, ...args: string[]): Promise<unknown> {
  return runNode(program, args, { through: ['unshare', '-m'] });
}

function ownFolder(name: string): string {
  const own = join(folder, name.replaceAll(/\W+/g, '-'));
  mkdirSync(own);
  return own;
}

describe('the view of the machine', () => {
  it.each(CHECKS)('%s', async (check) => {
    expect(await checked('host-view', ownFolder(check), check)).toBe(true);
  });

  it.each(Object.keys(CHANGES))('is another when %s', async (change) => {
    expect(await checked('host-view', ownFolder(change), change)).toBe(true);
  });

  it.each(['whole', 'parts'])('follows mounts: %s', async (how) => {
    expect(await checked('host-mounts', ownFolder(how), how)).toEqual([
      ['true', false],
      ['mount', true],
      ['true', false],
      ['mkdir', true],
      ['chmod', true],
      ['mount', true],
      ['umount', true],
      ['mount', true],
      ['chmod', true],
      ['umount', true],
      ['mount', true],
      ['truncate', how === 'parts'],
      ['true', false],
    ]);
  });

  containers.it('hides from a container what came after the one before', async () => {
    const image = Image.host({ hide: [join(folder, 'keys', '*.key')] });
    mkdirSync(join(folder, 'keys'));
    const seen = async (): Promise<string> => (await Container.run({ image, command: ['ls', join(folder, 'keys')] })).stdout;
    for (const file of ['one', 'two', 'three']) {
      writeFileSync(join(folder, 'keys', `${file}.key`), 'secret');
      writeFileSync(join(folder, 'keys', `${file}.txt`), '');
      expect(await seen()).not.toContain('.key');
    }
    expect(await seen()).toBe('one.txt\nthree.txt\ntwo.txt\n');
  });
});
