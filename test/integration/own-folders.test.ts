import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, expect } from 'vitest';
import { Container, Image } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { recipeOf } from '../fixtures/recipe.js';
import { requires } from '../fixtures/requires.js';
import { busybox } from '../fixtures/sandbox.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { layoutOf } from '../fixtures/tiny-image.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'tar', 'unshare', 'mount'] });

const folder = temporaryFolder();
const store = useNewStore(folder);
const umask = process.umask();
afterEach(() => void process.umask(umask));

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

/** Folders of the store that others may look into; what a layer or an upper has in it is the image's, and the program's. */
function open(root = store.root): string[] {
  const own = readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/^(?:layers\/\w+\/\w+|containers\/\w+)\/./.test(relative(root, path)));
  return [root, ...own].filter((path) => modeOf(path) !== 0o700);
}

const onDisk = async () => ({ ...(await busybox()), upper: 'disk' as const, command: ['true'] });

describe('the store', () => {
  it.each([0, 0o022, 0o077])('is its user’s alone with the umask %i, whatever was made first in it', async (mask) => {
    process.umask(mask);
    const container = await Container.create(await onDisk());
    expect(readdirSync(join(store.root, 'containers'))).toHaveLength(1);
    expect(open()).toEqual([]);
    await container.remove();
    const [image] = await Image.load(layoutOf({ 'app:1': [{ file: 'x' }] }, folder));
    if (image) await recipeOf(image);
    expect(readdirSync(store.root)).toContain('layers');
    expect(open()).toEqual([]);
  });

  it('closes what others could look into', async () => {
    mkdirSync(join(store.root, 'containers'), { recursive: true });
    for (const path of [join(store.root, 'containers'), store.root]) chmodSync(path, 0o755);
    await Container.run(await onDisk());
    expect(open()).toEqual([]);
  });

  it('takes an empty folder that others could write to for its own', async () => {
    mkdirSync(store.root);
    chmodSync(store.root, 0o777);
    await Image.load(layoutOf({ 'app:1': [{ file: 'x' }] }, folder));
    expect(open()).toEqual([]);
  });

  it.each([
    ['that others may write to', (path: string) => chmodSync(path, 0o777), 'others may write to it'],
    ['of another user', (path: string) => chownSync(path, 65_534, 65_534), 'it belongs to the user 65534'],
  ])('is not believed in a folder %s', async (_, change, problem) => {
    mkdirSync(store.root);
    writeFileSync(join(store.root, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    change(store.root);
    const message = expect.stringContaining(problem);
    const layout = layoutOf({ 'app:1': [{ file: 'x' }] }, folder);
    await expect(Image.load(layout)).rejects.toMatchObject({ name: 'ImageError', message, cause: { code: 'ERR_NOT_OWN' } });
    await expect(Container.run(await onDisk())).rejects.toMatchObject({ code: 'ERR_NOT_OWN', message });
  });
});

describe('the runtime folder', () => {
  const through = (made: string): string[] => {
    const script = `unset NACELLE_RUNROOT; mount -t tmpfs nacelle-test /run; ${made}; exec "$@"`;
    return ['unshare', '-m', 'sh', '-ec', script, 'sh'];
  };

  it.each([
    ['is made', 'umask 0'],
    ['is closed to others', 'mkdir -m 755 /run/nacelle; : > /run/nacelle/file'],
  ])('%s', async (_, made) => {
    expect(await runNode('runtime-folder', [], { through: through(made) })).toEqual(['700', '700']);
  });

  it.each([
    ['others may write to it', 'mkdir -m 777 /run/nacelle; : > /run/nacelle/file'],
    ['it belongs to the user 65534', 'mkdir /run/nacelle; chown 65534 /run/nacelle'],
  ])('is not believed when %s', async (problem, made) => {
    const outcome = await runNode('runtime-folder', [], { through: through(made) });
    expect(outcome).toMatchObject({ code: 'ERR_NOT_OWN', message: expect.stringContaining(problem) });
  });
});
