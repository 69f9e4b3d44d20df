import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container, type RunOptions } from '../../../lib/index.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
let root = '';

beforeAll(async () => {
  root = await busyboxRootfsCopy();
  mkdirSync(join(root, 'srv', 'real'), { recursive: true });
  symlinkSync('round', join(root, 'srv', 'round'));
  symlinkSync('../../../no/such', join(root, 'srv', 'dangling'));
  symlinkSync('real', join(root, 'srv', 'good'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const cases: [string, RunOptions, code: string, link: string][] = [
  ['a mount', { tmpfs: { '/srv/round/x/y': '' } }, 'ELOOP', '/srv/round'],
  ['a mount on a link', { tmpfs: { '/srv/dangling': '' } }, 'ENOTDIR', '/srv/dangling'],
  ['a bind of a file', { mounts: [{ type: 'bind', source: '/etc/hostname', target: '/srv/round' }] }, 'ELOOP', '/srv/round'],
  ['a magic link', { tmpfs: { '/proc/self/cwd/x': '' } }, 'ELOOP', '/proc/self/cwd'],
  ['cwd', { cwd: '/srv/good/x/../../round' }, 'ELOOP', '/srv/good/x/../../round'],
  ['copyIn', { copyIn: { '/srv/round/file': 'x' } }, 'ELOOP', '/srv/round'],
];

describe('a link of the image that can not be followed is named', () => {
  it.each(cases)('in %s', async (_, options, code, link) => {
    const failure = Container.run({ rootfs: root, command: ['true'], ...options });
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringContaining(`${link} is a symbolic link`) });
  });

  it('a file is mounted where a link to nowhere leads, in the root, as the files of /etc are', async () => {
    const base = mkdtempSync(join(tmpdir(), 'nacelle-test-links-'));
    try {
      cpSync(root, base, { recursive: true, verbatimSymlinks: true });
      rmSync(join(base, 'etc/resolv.conf'));
      symlinkSync('../run/systemd/../resolve/stub.conf', join(base, 'etc/resolv.conf'));
      rmSync(join(base, 'etc/hosts'));
      symlinkSync('/srv/hosts', join(base, 'etc/hosts'));
      symlinkSync('../../../other/hosts', join(base, 'srv/hosts'));
      const { stdout, reason } = await Container.run({
        image: `dir:${base}`,
        command: ['sh', '-c', 'cat /etc/resolv.conf; grep -c localhost /other/hosts; head -c 4 /srv/dangling'],
        dns: ['192.0.2.1'],
        mounts: [{ type: 'bind', source: '/etc/passwd', target: '/srv/dangling' }],
      });
      expect(stdout, reason).toBe('nameserver 192.0.2.1\n2\nroot');
    } finally {
      rmSync(base, { recursive: true });
    }
  });

  it('and one that can be is followed', async () => {
    const { stdout } = await Container.run({ rootfs: root, command: ['pwd'], cwd: '/srv/good', tmpfs: { '/srv/good/t': '' } });
    expect(stdout).toBe('/srv/real\n');
  });
});
