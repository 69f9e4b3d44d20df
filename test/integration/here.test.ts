import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container, type ContainerOptions, features, Image } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { missing, requires } from '../fixtures/requires.js';
import { tarArchive } from '../fixtures/tar.js';
import { layoutOf } from '../fixtures/tiny-image.js';
import { findTool } from '../fixtures/tools.js';

// What containers do for whoever runs the tests, root or not, on whatever kernel: where changes are kept differs before Linux 6.6.

useLeakCheck();
const needs = { tools: ['busybox'] };
const { describe, it } = requires(needs);

const isRoot = process.geteuid?.() === 0;
const [major = 0, minor = 0] = release().split('.').map(Number);
const fitsInMemory = isRoot || major > 6 || (major === 6 && minor >= 6);

// on a disk, as homes are
let folder = '';
let image: Image;

const APPLETS = ['sh', 'ls', 'rm', 'mkdir', 'cat', 'stat', 'touch', 'true'];

beforeAll(async () => {
  if (missing(needs).length > 0) return;
  // what stays open in Node and in the shims from the first use on
  await features();
  folder = mkdtempSync(join(isRoot ? '/home' : homedir(), 'nacelle-test-'));
  process.env.NACELLE_ROOT = join(folder, 'store');
  const busybox = readFileSync(findTool('busybox') ?? '');
  const lower = tarArchive(
    { name: 'bin/busybox', mode: 0o755, data: busybox },
    ...APPLETS.map((name) => ({ name: `bin/${name}`, type: '2', link: 'busybox' })),
    { name: 'etc/', type: '5' },
    { name: 'hidden/old', data: 'old\n' },
    { name: 'emptied/old', data: 'old\n' },
  );
  const upper = tarArchive({ name: 'emptied/.wh..wh..opq' }, { name: 'emptied/new', data: 'new\n' });
  image = await Image.open(`oci:${layoutOf({ v0: [lower, upper] }, folder)}:v0`);
  for (const name of ['', 'bin', 'hidden']) mkdirSync(join(folder, 'root', name));
  writeFileSync(join(folder, 'root/bin/busybox'), busybox, { mode: 0o755 });
  for (const name of APPLETS) symlinkSync('busybox', join(folder, 'root/bin', name));
  writeFileSync(join(folder, 'root/hidden/old'), 'old\n');
});

afterAll(() => {
  delete process.env.NACELLE_ROOT;
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
});

const sources: Record<string, () => string | Image> = {
  'the host': () => 'host',
  'a folder': () => `dir:${folder}/root`,
  'the store': () => image,
};

function uppers(): string[] {
  const path = join(folder, 'store/containers');
  return existsSync(path) ? readdirSync(path) : [];
}

async function sh(script: string, of: string, options: Omit<ContainerOptions, 'image' | 'command'> = {}): Promise<string> {
  const { stdout, stderr } = await Container.run({ image: (sources[of] ?? (() => of))(), command: ['sh', '-c', script], ...options });
  return (stdout + stderr).trim();
}

describe('for the user who runs this', () => {
  it('containers work', async () => {
    const { rootless } = await features();
    expect(rootless).toMatchObject({ available: true, reason: null, fix: null });
  });

  it.each(Object.keys(sources))('a folder that is removed and made anew is empty: %s', async (of) => {
    const [made, then] = ['mkdir -p /tmp/d && touch /tmp/d/x && ls /tmp/d', 'rm -r /hidden && mkdir /hidden && ls -A /hidden && echo done'];
    expect(await sh(of === 'the host' ? made : then, of)).toBe(of === 'the host' ? 'x' : 'done');
    expect(uppers()).toEqual([]);
  });

  it.each(Object.keys(sources))('changes are on disk when asked for: %s', async (of) => {
    expect(await sh('echo x > /new && cat /new', of, { upper: 'disk' })).toBe('x');
    expect(uppers()).toEqual([]);
  });

  it('what a layer hides is hidden', async () => {
    expect(await sh('ls /emptied; cat /hidden/old', 'the store')).toBe('new\nold');
  });

  it('changes are told, and gone with the container', async () => {
    const command = ['sh', '-c', 'rm -r /hidden && mkdir /hidden && echo x > /hidden/x'];
    const container = await Container.create({ image, command });
    try {
      await container.start();
      await container.wait();
      const { options } = await container.inspect();
      expect(options?.upper?.type).toBe(fitsInMemory ? 'tmpfs' : 'disk');
      expect(uppers()).toEqual(fitsInMemory ? [] : [container.id]);
      const told: string[] = [];
      for await (const { kind, path } of container.changes()) told.push(`${kind} ${path}`);
      expect(told).toEqual(['modified /hidden', 'deleted /hidden/old', 'added /hidden/x']);
    } finally {
      await container.remove({ force: true });
    }
    expect(uppers()).toEqual([]);
  });

  it.each([{ upperSize: '1m' }, { upper: 'tmpfs' as const }])('what only memory has is had there, or refused: %o', async (options) => {
    const run = sh('echo x > /new && cat /new', 'the store', options);
    if (fitsInMemory) expect(await run).toBe('x');
    else
      await expect(run).rejects.toMatchObject({
        name: 'UnsupportedError',
        message: expect.stringMatching(/tmpfs takes no marks.*Linux 6\.6/s),
      });
  });

  it('a detached container works, and leaves nothing', async () => {
    const container = await Container.create({
      image,
      command: ['sh', '-c', 'rm -r /hidden && mkdir /hidden && ls -A /hidden; echo out'],
      detach: true,
    });
    await container.start();
    const { stdout } = await container.wait();
    expect(stdout).toBe('out\n');
    await container.remove();
    expect(uppers()).toEqual([]);
  });
});
