import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { afterAll, expect, test } from 'vitest';
import { tryLock } from '../../../lib/native/load-addon.js';
import { freeFolder, outputPlace } from '../../../lib/store/output-place.js';
import { writtenAside } from '../../../lib/store/written-aside.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'nacelle-output-')));
afterAll(() => rmSync(root, { recursive: true }));

function folder(name: string, mode: number): string {
  mkdirSync(join(root, name));
  chmodSync(join(root, name), mode);
  return join(root, name);
}

test("is the path, or where a link of one's own leads", () => {
  const own = folder('own', 0o755);
  expect(outputPlace('output', join(own, 'deep/er'))).toBe(join(own, 'deep/er'));
  symlinkSync('own', join(root, 'link'));
  expect(outputPlace('output', join(root, 'link'))).toBe(own);
  expect(outputPlace('output', join(root, 'link/a'))).toBe(join(own, 'a'));
  symlinkSync('/none', join(root, 'nowhere'));
  expect(() => outputPlace('output', join(root, 'nowhere'))).toThrow('is a link to nothing');
});

test('is not where all may put something else, but for the sticky bit', () => {
  const open = folder('open', 0o777);
  expect(() => outputPlace('output', join(open, 'a'))).toThrow('can be written to by all');
  expect(() => outputPlace('output', join(open, 'deep/er'))).toThrow('can be written to by all');
  chmodSync(open, 0o1777);
  expect(outputPlace('output', join(open, 'a'))).toBe(join(open, 'a'));
  symlinkSync(join(folder('closed', 0o777), 'x'), join(root, 'leads'));
  mkdirSync(join(root, 'closed/x'));
  expect(() => outputPlace('output', join(root, 'leads'))).toThrow('can be written to by all');
});

test('of a folder has nothing in it, also behind a link', async () => {
  const empty = folder('empty', 0o755);
  symlinkSync('empty', join(root, 'to-empty'));
  expect(await freeFolder('output', empty)).toBe(empty);
  expect(await freeFolder('output', join(root, 'to-empty'))).toBe(empty);
  expect(await freeFolder('output', join(empty, 'new/er'))).toBe(join(empty, 'new/er'));
  await writtenAside(join(empty, 'file'), async (temporary) => writeFileSync(temporary, 'whole'));
  const refused = (words: string) => expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(words) });
  await expect(freeFolder('output', join(root, 'to-empty'))).rejects.toEqual(refused('is not empty'));
  await expect(freeFolder('output', join(empty, 'file'))).rejects.toEqual(refused('not a directory'));
});

test('gets what is whole, or nothing', async () => {
  const place = folder('place', 0o755);
  const made = join(place, 'new', 'made');
  await writtenAside(made, async (temporary) => {
    mkdirSync(temporary);
    expect(readdirSync(join(place, 'new'))).not.toContain('made');
  });
  await expect(
    writtenAside(made, async (temporary) => {
      writeFileSync(temporary, 'half');
      throw new Error('enough');
    }),
  ).rejects.toThrow('enough');
  expect([readdirSync(join(place, 'new')), readdirSync(made)]).toEqual([['made'], []]);
});

test('removes what a process left that was killed, and nothing of others', async () => {
  const place = folder('left', 0o755);
  // dead: nobody has the lock; empty: killed before there was one, or after; living: this process has it; and two that only look like these
  for (const name of ['.made-dead00', '.made-living', '.made-nolock', '.made-x']) mkdirSync(join(place, name, 'new'), { recursive: true });
  for (const name of ['.made-dead00', '.made-living', '.made-x']) writeFileSync(join(place, name, 'nacelle.lock'), '');
  mkdirSync(join(place, '.made-empty0'));
  const lock = openSync(join(place, '.made-living', 'nacelle.lock'), 'r+');
  try {
    expect(tryLock(lock, 'exclusive')).toBe(true);
    await writtenAside(join(place, 'made'), async (temporary) => mkdirSync(temporary));
    expect(readdirSync(place).sort()).toEqual(['.made-living', '.made-nolock', '.made-x', 'made']);
  } finally {
    closeSync(lock);
  }
  // its own lock is there while it is written
  await writtenAside(join(place, 'made'), async (temporary) => {
    await writtenAside(join(place, 'made'), async (other) => mkdirSync(other));
    mkdirSync(temporary);
  });
  expect(readdirSync(place).sort()).toEqual(['.made-nolock', '.made-x', 'made']);
});

test('is written by many at once, though each looks for what others have left', async () => {
  const place = join(folder('many', 0o755), 'made');
  const write = (index: number): Promise<void> => writtenAside(place, (temporary) => writeFile(temporary, `${index}`));
  await Promise.all(Array.from({ length: 50 }, (_, index) => write(index)));
  expect(readdirSync(join(root, 'many'))).toEqual(['made']);
});

test.runIf(geteuid?.() === 0)('is neither in a folder of another user nor behind a link of one', () => {
  const other = folder('other', 0o755);
  chownSync(other, 1234, 1234);
  expect(() => outputPlace('output', join(other, 'a'))).toThrow("is another user's");
  const sticky = folder('sticky', 0o1777);
  symlinkSync(root, join(sticky, 'l'));
  lchownSync(join(sticky, 'l'), 1234, 1234);
  expect(() => outputPlace('output', join(sticky, 'l'))).toThrow("is another user's link");
});
