import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { Container, NacelleError, type RunOptions } from '../../../lib/index.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { output, sh } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const asRoot = requires({ root: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();
const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A folder of the host that no image may reach. */
function victim(name: string): { path: string; file: string; untouched: () => void } {
  const path = join(folder, name);
  const file = join(path, 'file');
  mkdirSync(path);
  writeFileSync(file, 'untouched');
  return {
    path,
    file,
    untouched: () => {
      expect(readdirSync(path)).toEqual(['file']);
      expect(readFileSync(file, 'utf8')).toBe('untouched');
    },
  };
}

async function hostileRoot(change: (root: string) => void): Promise<string> {
  const root = await busyboxRootfsCopy();
  roots.push(root);
  change(root);
  return root;
}

/** Refused, or done inside the root: either is right, and which one is the caller's to see. */
async function attempt(options: RunOptions): Promise<string> {
  return Container.run(options).then(
    (result) => result.stdout,
    (error: unknown) => `refused: ${String(error)}`,
  );
}

describe('an image that points out of itself', () => {
  for (const name of ['proc', 'dev', 'sys', 'tmp', 'etc']) {
    for (const form of ['image', 'rootfs'] as const) {
      it(`/${name} is a link (${form})`, async () => {
        const outside = victim(`${name}-${form}`);
        const root = await hostileRoot((path) => {
          rmSync(join(path, name), { recursive: true });
          symlinkSync(outside.path, join(path, name));
        });
        await attempt({
          ...(form === 'image' ? { image: `dir:${root}` } : { rootfs: root }),
          command: ['sh', '-c', 'echo x > /tmp/x; echo x > /etc/x; echo x > /dev/x'],
          tmpfs: { '/tmp/t': '' },
          copyIn: { '/tmp/c': 'x' },
        });
        outside.untouched();
      });
    }
  }

  for (const file of ['resolv.conf', 'hosts', 'hostname', 'passwd', 'group']) {
    it(`/etc/${file} is a link`, async () => {
      const outside = victim(`etc-${file}`);
      const root = await hostileRoot((path) => {
        rmSync(join(path, 'etc', file), { force: true });
        symlinkSync(outside.file, join(path, 'etc', file));
      });
      const stdout = await attempt({ rootfs: root, command: ['cat', `/etc/${file}`], dns: ['192.0.2.1'], extraHosts: { a: '192.0.2.2' } });
      expect(stdout).not.toContain('untouched');
      outside.untouched();
    });
  }

  it.each(['passwd', 'group'])('/etc/%s is a FIFO: who needs it is refused, and nothing hangs', async (name) => {
    const root = await hostileRoot((path) => {
      rmSync(join(path, 'etc', name));
      execFileSync('mkfifo', [join(path, 'etc', name)]);
    });
    for (const user of ['user', '1000', 'user:2000']) {
      const refused = Container.run({ image: `dir:${root}`, command: ['id'], user });
      await expect(refused, user).rejects.toMatchObject({ step: 'user', message: expect.stringContaining(`/etc/${name}`) });
    }
    expect(await Container.run({ image: `dir:${root}`, command: ['grep', 'Uid', '/proc/self/status'], user: '7:7' })).toMatchObject({
      stdout: 'Uid:\t7\t7\t7\t7\n',
    });
  });

  it('targets of mounts and copies through links stay inside', async () => {
    const outside = victim('targets');
    const root = await hostileRoot((path) => {
      symlinkSync(outside.path, join(path, 'absolute'));
      symlinkSync(`../../../../../../../..${outside.path}`, join(path, 'climbing'));
    });
    for (const link of ['/absolute', '/climbing']) {
      await attempt({ rootfs: root, command: ['true'], tmpfs: { [`${link}/t`]: '' } });
      await attempt({ rootfs: root, command: ['true'], mounts: [{ type: 'bind', source: outside.file, target: `${link}/file` }] });
      await attempt({ rootfs: root, command: ['true'], copyIn: { [`${link}/copied`]: 'x', [`${link}/file`]: 'x' } });
      await attempt({ rootfs: root, command: ['true'], maskedPaths: [`${link}/file`], readonlyPaths: [link] });
      outside.untouched();
    }
  });

  it('links within the image keep working: /var/run', async () => {
    const root = await hostileRoot((path) => symlinkSync('/run', join(path, 'var/run')));
    const result = await Container.run({ image: `dir:${root}`, command: ['cat', '/run/in'], copyIn: { '/var/run/in': 'inside' } });
    expect(result.stdout).toBe('inside');
  });

  it('a fake /dev/null masks nothing with its own content', async () => {
    const root = await hostileRoot((path) => {
      writeFileSync(join(path, 'dev/null'), 'fake');
      writeFileSync(join(path, 'secret'), 'secret');
    });
    const result = await Container.run({ image: `dir:${root}`, command: ['cat', '/secret', '/dev/null'], maskedPaths: ['/secret'] });
    expect(result.stdout).toBe('');
  });

  asRoot.it("devices in the image are not the host's", async () => {
    const root = await hostileRoot((path) => execFileSync('mknod', [join(path, 'kmsg'), 'c', '1', '11']));
    const result = await Container.run({ image: `dir:${root}`, command: ['dd', 'if=/kmsg', 'bs=1', 'count=0'] });
    expect(result.stderr).toMatch(/Operation not permitted|Permission denied/);
  });
});

describe('what an image says of itself', () => {
  useNewStore(folder);
  const hostile = '\u001b]0;title\u0007\r\nnext line\u009b2J';

  it.each([
    { Cmd: [`/${hostile}`] },
    { Cmd: ['/file'], WorkingDir: `/proc/${hostile}` },
    { Cmd: ['/file'], User: `nobody${hostile}` },
    { Cmd: ['/file'], StopSignal: hostile },
    { Cmd: ['/file'], Volumes: { [`/${'x'.repeat(300)}${hostile}`]: {} } },
  ])('goes into no message as it is: %j', async (config) => {
    const layout = layoutOf({ app: [{ file: '', 'etc/passwd': '' }] }, folder, { config });
    const error: unknown = await Container.run({ image: `oci:${layout}:app` }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NacelleError);
    expect(error).toMatchObject({ message: expect.stringContaining('\\u001b]0;title\\u0007') });
    expect(String(error)).not.toMatch(/\p{Cc}/u);
  });
});

describe('cwd', () => {
  it('/proc/self/fd/N is refused, whatever N is', async () => {
    for (let fd = 0; fd < 24; fd++) await expect(sh('pwd', { cwd: `/proc/self/fd/${fd}` }), `fd ${fd}`).rejects.toThrow();
  });

  it('through a link of the image it stays inside', async () => {
    const root = await hostileRoot((path) => symlinkSync('/proc/self/fd/5', join(path, 'work')));
    await expect(Container.run({ image: `dir:${root}`, command: ['pwd'], cwd: '/work' })).rejects.toThrow();
  });

  it('.. ends at the root', async () => {
    expect(await output('pwd; ls -d bin', { cwd: '/../../..' })).toBe('/\nbin');
  });
});
