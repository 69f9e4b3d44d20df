import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect } from 'vitest';
import { type KnownFiles, knownFiles, type SeenFile } from '../../lib/native/seen-files.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const { describe, it } = requires({ root: false });

const folder = temporaryFolder();
let at: string;
const below = (name: string): string => join(at, name);

beforeEach(() => {
  at = mkdtempSync(join(folder, 'seen-'));
  writeFileSync(below('file'), 'one');
  writeFileSync(below('other'), 'two');
  symlinkSync('file', below('link'));
  mkdirSync(below('folder'));
});

function seen(name: string, by: SeenFile['by'], { follows = false } = {}): SeenFile {
  const path = below(name);
  return { path, follows, by, status: (follows ? statSync : lstatSync)(path, { throwIfNoEntry: false, bigint: true }) };
}

/** What is known of a file in the midst of others. */
function known(...files: SeenFile[]): KnownFiles {
  return knownFiles([seen('folder', 'change'), ...files, seen('nothing', 'change')]);
}

/** Whether a change is noticed, where there was none before. */
function isNoticed(files: KnownFiles, change: () => void): boolean {
  expect(files.areAsSeen()).toBe(true);
  change();
  return !files.areAsSeen();
}

/** So that the clock of the file system need not go on. */
const LATER = new Date(4_000_000_000_000);

describe('what was seen of files', () => {
  it.each<[string, () => SeenFile, () => void]>([
    ['another file', () => seen('file', 'file'), () => renameSync(below('other'), below('file'))],
    ['none any more', () => seen('file', 'file'), () => rmSync(below('file'))],
    ['one where there was none', () => seen('new', 'file'), () => writeFileSync(below('new'), '')],
    ['a folder in the way that is none any more', () => seen('folder/x', 'file'), () => mkdirSync(below('folder/x'))],
    ['other rights', () => seen('file', 'change'), () => chmodSync(below('file'), 0o600)],
    ['another name of it', () => seen('file', 'change'), () => linkSync(below('file'), below('name'))],
    ['another link, by itself', () => seen('link', 'change'), () => [rmSync(below('link')), symlinkSync('file', below('link'))]],
    [
      'where a link leads',
      () => seen('link', 'file', { follows: true }),
      () => [rmSync(below('link')), symlinkSync('other', below('link'))],
    ],
    ['another size', () => seen('file', 'content'), () => writeFileSync(below('file'), 'longer')],
    ['another time of a write', () => seen('file', 'content'), () => utimesSync(below('file'), LATER, LATER)],
  ])('%s is noticed', (_, file, change) => {
    expect(isNoticed(known(file()), change)).toBe(true);
  });

  it.each<[string, () => SeenFile, () => void]>([
    ['other rights, where the content counts', () => seen('file', 'content'), () => chmodSync(below('file'), 0o600)],
    ['another content, where the file alone counts', () => seen('file', 'file'), () => writeFileSync(below('file'), 'longer')],
    [
      'another link to the same, where links are followed',
      () => seen('link', 'file', { follows: true }),
      () => [rmSync(below('link')), symlinkSync('./file', below('link'))],
    ],
    [
      'a folder in the way that is a file now',
      () => seen('folder/x', 'file'),
      () => [rmSync(below('folder'), { recursive: true }), renameSync(below('other'), below('folder'))],
    ],
  ])('%s is not', (_, file, change) => {
    expect(isNoticed(knownFiles([file()]), change)).toBe(false);
  });

  it('what can not be looked at is not as it was', () => {
    expect(
      isNoticed(known(seen('link', 'file', { follows: true })), () => [rmSync(below('link')), symlinkSync('link', below('link'))]),
    ).toBe(true);
    const long: SeenFile = { path: below('x'.repeat(300)), follows: true, by: 'file', status: undefined };
    expect(knownFiles([long]).areAsSeen()).toBe(false);
  });

  it('nothing is always as it was', () => {
    expect(knownFiles([]).areAsSeen()).toBe(true);
  });
});
