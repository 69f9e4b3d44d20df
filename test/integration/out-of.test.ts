import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Image } from '../../lib/index.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { layoutOf } from '../fixtures/tiny-image.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'tar', 'unshare', 'mount'] });
const folder = temporaryFolder();
const store = useNewStore(folder);

type Outcome = 'done' | { name: string; code: string; cause?: string; message: string };

describe('a process that is out of descriptors', () => {
  // Node itself has some twenty
  const few = ['sh', '-c', 'ulimit -n 160; exec "$@"', 'sh'];

  it.each([0, 1, 2, 3, 4, 5, 8])('with %i left hears what to raise, and what lived before lives on', async (free) => {
    const here = join(folder, `free-${free}`);
    mkdirSync(here);
    const [image] = await Image.load(layoutOf({ 'app:0': [{ file: 'x' }] }, here), {});
    const [layout, archive] = [join(here, 'layout'), join(here, 'archive.tar')];
    await image?.save(`${layout}/`);
    await image?.save(archive, { format: 'docker' });
    store.renew();
    const args = [here, await busyboxRootfs(), layout, archive, `${free}`];
    const { living, ...outcomes } = await runNode<Record<string, Outcome>>('out-of-descriptors', args, { through: few });
    expect(living).toBe('alive');
    for (const [what, outcome] of Object.entries(outcomes)) {
      if (outcome === 'done') continue;
      expect(outcome, what).toMatchObject({ name: expect.stringMatching(/^(Syscall|Image)Error$/) });
      expect([outcome.code, outcome.cause], what).toContain('EMFILE');
      expect(outcome.message, what).toContain('raise the limit on open files (ulimit -n)');
    }
    if (free === 0) expect(Object.values(outcomes).filter((outcome) => outcome !== 'done').length).toBeGreaterThan(15);
  });
});

it('a shim that is out of descriptors says so, and those containers end that are there', { timeout: 120_000 }, async () => {
  const through = ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'];
  const { failure, count, ends } = await runNode<{ failure: object; count: number; ends: string[] }>('many-containers', [], { through });
  expect(failure).toMatchObject({
    name: 'SyscallError',
    code: 'EMFILE',
    message: expect.stringContaining('raise the limit on open files (ulimit -n)'),
  });
  expect(count).toBeGreaterThan(3);
  expect(ends).toEqual(['nonzero-exit 3 lived counted']);
});

it('a runtime folder that is full is told, by the record that found no room', async () => {
  // one that no other process has
  const through = ['unshare', '-m', 'sh', '-ec', 'unset NACELLE_RUNROOT; mount -t tmpfs -o size=128k nacelle-test /run; exec "$@"', 'sh'];
  const [overlay, veth] = await runNode<Outcome[]>('full-runtime', [folder], { through });
  for (const outcome of [overlay, veth])
    expect(outcome).toMatchObject({
      name: 'SyscallError',
      code: 'ENOSPC',
      message: expect.stringMatching(/^write the record \/run\/nacelle/),
    });
});

it.each([
  ['a folder', '/proc/self', 'EISDIR'],
  ['a file that can’t be read', '/proc/self/mem', 'EIO'],
])('an archive that is %s is an ImageError', async (_, path, code) => {
  await expect(Image.open(`docker-archive:${path}`)).rejects.toMatchObject({
    name: 'ImageError',
    message: expect.stringContaining(code),
    cause: { code },
  });
});
