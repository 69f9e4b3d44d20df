import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { currentHostRecipe } from '../../../lib/image/host/host-image.js';
import { Container, Image } from '../../../lib/index.js';
import { ROOT_MOUNTER } from '../../../lib/plan/mounter.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({});
const asRoot = requires({ root: true, tools: ['unshare', 'mount', 'umount'] });
const containers = requires({ containers: true, tools: ['busybox'] });
const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);

/** As it is when nothing is known of it. */
const anew = (hide: readonly string[]) => currentHostRecipe(hide, { ...ROOT_MOUNTER });

/** Names that hit each other: folders, links and files with the names that are looked for. */
const name = fc.constantFrom('a', 'b', 'secret', 'link');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => join(folder, 'tree', ...names));
const change = fc.oneof(
  fc.record({ make: fc.constantFrom('folder', 'file'), path }),
  fc.record({ make: fc.constant('link'), path, target: fc.oneof(path, fc.constantFrom('a', '../b', '../../tree/secret', 'secret')) }),
  fc.record({ make: fc.constant('gone'), path }),
  fc.record({ make: fc.constant('mode'), path, mode: fc.constantFrom(0o700, 0o755, 0o711) }),
  fc.record({ make: fc.constant('moved'), path, target: path }),
);

function apply(one: { make: string; path: string; target?: string; mode?: number }): void {
  const { make, path: at, target = '', mode = 0 } = one;
  try {
    if (make === 'folder') mkdirSync(at, { recursive: true });
    else if (make === 'file') writeFileSync(at, 'x');
    else if (make === 'link') symlinkSync(target, at);
    else if (make === 'gone') rmSync(at, { recursive: true });
    else if (make === 'mode' && !lstatSync(at).isSymbolicLink()) chmodSync(at, mode);
    else if (make === 'moved') renameSync(at, target);
  } catch {
    // what can't be made changes nothing
  }
}

// the first of a process is not kept
anew([]);

describe('the view of the machine', () => {
  it('is kept while nothing changes, and is what one looked up anew is, whatever changes', () => {
    const tree = join(folder, 'tree');
    const hide = ['secret', '*/secret', 'a/*/b', 'link/secret', 'b/link'].map((pattern) => join(tree, pattern));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), (changes) => {
        rmSync(tree, { recursive: true, force: true });
        mkdirSync(tree);
        for (const one of changes) {
          apply(one);
          const recipe = currentHostRecipe(hide);
          expect(recipe).toEqual(anew(hide));
          expect(currentHostRecipe(hide)).toBe(recipe);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, (at: (path: string) => string) => void]>([
    ['a file is renamed to a name to hide', (at) => renameSync(at('shown/file'), at('shown/hidden'))],
    ['a folder with such a file is renamed into place', (at) => renameSync(at('elsewhere'), at('missing'))],
    ['a link behind a link leads elsewhere', (at) => renameSync(at('hop/other'), at('hop/second'))],
    ['a link to hide appears', (at) => symlinkSync('elsewhere', at('shown/hidden'))],
    ['a folder on the way gets a mode, which the layers above it have', (at) => chmodSync(at('shown'), 0o700)],
    ['a name matches a pattern', (at) => mkdirSync(at('other.d'))],
  ])('is another when %s', (_, make) => {
    const at = (path: string): string => join(folder, 'cases', path);
    for (const path of ['shown', 'elsewhere', 'hop', 'real/hidden.d', 'real2/hidden.d']) mkdirSync(at(path), { recursive: true });
    for (const path of ['shown/file', 'elsewhere/hidden', 'shown/kept', 'real/hidden', 'real2/hidden']) writeFileSync(at(path), '');
    symlinkSync('../hop/second', at('shown/first'));
    symlinkSync('../real', at('hop/second'));
    symlinkSync('../real2', at('hop/other'));
    const hide = ['shown/hidden', 'shown/kept', 'missing/hidden', 'shown/first/hidden', '*.d'].map(at);
    const recipe = currentHostRecipe(hide);
    expect(currentHostRecipe(hide)).toBe(recipe);
    make(at);
    const now = currentHostRecipe(hide);
    expect(now).not.toEqual(recipe);
    expect(now).toEqual(anew(hide));
    rmSync(at(''), { recursive: true });
  });

  it('is kept when files come and go that nothing is said of', () => {
    const hide = [join(folder, 'hidden')];
    const recipe = currentHostRecipe(hide);
    writeFileSync(join(folder, 'shown'), '');
    chmodSync(join(folder, 'shown'), 0o600);
    rmSync(join(folder, 'shown'));
    expect(currentHostRecipe(hide)).toBe(recipe);
    writeFileSync(join(folder, 'hidden'), '');
    expect(currentHostRecipe(hide)).not.toBe(recipe);
  });

  it('is right after more changes than the kernel keeps', () => {
    const hide = [join(folder, 'busy', '*', 'late')];
    mkdirSync(join(folder, 'busy', 'of'), { recursive: true });
    currentHostRecipe(hide);
    // the kernel makes one of the same change twice in a row
    const files = ['one', 'two'].map((file) => openSync(join(folder, 'busy', file), 'w'));
    for (let i = 0; i < 20_000; i++) writeSync(files[i % 2] ?? -1, 'x');
    for (const file of files) closeSync(file);
    writeFileSync(join(folder, 'busy', 'of', 'late'), '');
    expect(currentHostRecipe(hide)).toEqual(anew(hide));
  });

  asRoot.it.each(['whole', 'parts'])('follows mounts: %s', async (how) => {
    mkdirSync(join(folder, how));
    expect(await runNode('host-mounts', [join(folder, how), how], { through: ['unshare', '-m'] })).toEqual([
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
