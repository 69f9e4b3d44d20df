import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, Image, type RunOptions } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { sh } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const { it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();
const store = useNewStore(folder);

/** One layer on another: a file of the lower one is replaced, one is deleted. */
const layers = [
  { 'etc/one': 'one', 'etc/two': 'two', 'etc/three': 'three' },
  { 'etc/two': 'TWO', 'etc/.wh.three': '' },
];
const source = (): string => `oci:${layoutOf({ all: layers, first: layers.slice(0, 1), last: layers.slice(1) }, folder)}`;

async function look(image: string, script: string, options: RunOptions = {}): Promise<string> {
  const { stdout } = await sh(script, { mounts: [{ type: 'image', source: image, target: '/image' }], reject: true, ...options });
  return stdout;
}

it.each([
  ['all', 'one two\noneTWO'],
  ['first', 'one three two\nonetwo'],
  ['last', 'two\nTWO'],
])('shows the files of all layers and no whiteouts: %s', async (tag, expected) => {
  expect(await look(`${source()}:${tag}`, 'echo $(ls -A /image/etc); cat /image/etc/one /image/etc/two 2>/dev/null || true')).toBe(
    expected,
  );
});

it('can not be written to, and opens no device', async () => {
  const script = 'for path in etc/one new etc; do touch /image/$path 2>/dev/null && echo written; done; grep " /image " /proc/mounts';
  expect(await look(`${source()}:all`, script)).toMatch(/^\w+ \/image overlay ro,nodev,/);
});

it('shows the host as an image does, without what is hidden', async () => {
  expect(
    await look('host', 'ls -A /image/root /image/home; ls /image/etc/shadow 2>&1 | grep -c "No such"; cat /image/etc/hostname'),
  ).toMatch(/^\/image\/home:\n\n\/image\/root:\n1\n./);
});

it('lies beside other mounts, and below them', async () => {
  const image = source();
  const mounts = [
    { type: 'tmpfs', target: '/t' },
    { type: 'image', source: `${image}:first`, target: '/t/deep/first' },
    { type: 'image', source: `${image}:last`, target: '/t/last', options: ['noexec'] },
  ] as const;
  expect(await look('', 'cat /t/deep/first/etc/two /t/last/etc/two', { mounts })).toBe('twoTWO');
});

it('keeps the layers in the store as long as the container lives', async () => {
  const image = await Image.load(join(source().slice('oci:'.length)));
  const [first] = image.filter(({ layers: found }) => found.length === 2);
  const reference = first?.digest ?? '';
  expect(reference).toMatch(/^sha256:/);
  const kept = (): number => readdirSync(join(store.root, 'layers/sha256')).length;
  const mounts = [{ type: 'image', source: reference, target: '/image' }] as const;
  {
    await using container = await Container.create({ image: 'host', command: ['cat', '/image/etc/two'], mounts });
    await Image.prune();
    expect(kept()).toBe(2);
    await container.start();
    expect((await container.wait()).stdout).toBe('TWO');
  }
  await Image.prune();
  expect(kept()).toBe(0);
});

it('that is not there is told before anything is made', async () => {
  const mounts = [{ type: 'image', source: 'localhost:1/none:1', target: '/image' }] as const;
  await expect(sh('true', { mounts, pull: undefined })).rejects.toMatchObject({ name: 'ImageError' });
});

it('can not be what files are copied to', async () => {
  const options = { mounts: [{ type: 'image', source: `${source()}:all`, target: '/image' }] as const, copyIn: { '/image/new': 'x' } };
  await expect(sh('true', options)).rejects.toMatchObject({ code: 'EROFS' });
});
