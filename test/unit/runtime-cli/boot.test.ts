import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeKey, keepCode, keptCode } from '../../../lib/load/code-cache.js';
import { codeFileOf } from '../../../lib/runtime-cli/boot/code-file.js';
import { DEFAULT_ROOT, earlyFlagsOf } from '../../../lib/runtime-cli/boot/early-flags.js';

describe('what is read of a command line before the command is loaded', () => {
  it.each([
    [[], DEFAULT_ROOT, null],
    [['create', '--root', '/other', 'one'], DEFAULT_ROOT, 'create'],
    [['--root', '/a', 'create', 'one'], '/a', 'create'],
    [['--root=/a=b', '--root', '/c', 'state', 'one'], '/c', 'state'],
    [['--log', '--root', '--log-format=json', '-root', '/a', 'state'], '/a', 'state'],
    [['--debug', '--systemd-cgroup', '--root', '/a', 'list'], '/a', 'list'],
    [['--cgroup-manager', 'cgroupfs', '--root', '/a', 'run', 'one'], '/a', 'run'],
    [['--root', 'relative', 'list'], null, 'list'],
    [['--root'], null, null],
    [['--root='], null, null],
  ])('of %j is %s, %s', (args, root, name) => {
    expect(earlyFlagsOf(args)).toEqual({ root, name });
  });

  it('says where the code is kept: of the usual commands each in a file of its own', () => {
    const names = ['run', 'create', 'exec', 'update', 'planner'];
    expect(names.map((name) => codeFileOf(name))).toEqual(names.map((name) => `@code-${name}`));
    expect(['features', 'list', '../run', null].map((name) => codeFileOf(name))).toEqual(['@code', '@code', '@code', '@code']);
  });
});

describe('code that is kept', () => {
  const file = { ino: 1, size: 2, mtimeMs: 3.5 };
  const key = codeKey(file, 'abc');
  const code = Buffer.from([0, 255, 10, 1]);
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nacelle-code-'));
    path = join(folder, '@code');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('comes back as it was, and nothing else is left in the folder', () => {
    keepCode(path, key, () => code);
    expect(keptCode(path, key)).toEqual(code);
    expect(readdirSync(folder)).toEqual(['@code']);
  });

  it.each([{ ino: 2 }, { size: 3 }, { mtimeMs: 4 }])('is not used for a bundle with another %j', (change) => {
    keepCode(path, key, () => code);
    expect(keptCode(path, codeKey({ ...file, ...change }, 'abc'))).toBeUndefined();
  });

  it('is not used for a bundle with another content', () => {
    keepCode(path, key, () => code);
    expect(keptCode(path, codeKey(file, 'abd'))).toBeUndefined();
  });

  it('is not used when it is cut', () => {
    writeFileSync(path, key.slice(0, -1), { mode: 0o600 });
    expect(keptCode(path, key)).toBeUndefined();
  });

  it.each([
    ['a file that others may write to', () => chmodSync(path, 0o602)],
    ['a file that its group may write to', () => chmodSync(path, 0o620)],
    ['a folder that others may write to', () => chmodSync(folder, 0o702)],
    ['a link', () => swapForLink(path)],
  ])('is not used of %s', (_, spoil) => {
    keepCode(path, key, () => code);
    spoil();
    expect(keptCode(path, key)).toBeUndefined();
  });

  it.runIf(geteuid?.() === 0)("is not used of another user's file or folder", () => {
    keepCode(path, key, () => code);
    chownSync(path, 65_534, 0);
    expect(keptCode(path, key)).toBeUndefined();
    chownSync(path, 0, 0);
    expect(keptCode(path, key)).toEqual(code);
    chownSync(folder, 65_534, 0);
    expect(keptCode(path, key)).toBeUndefined();
  });

  it('is not written where others may write, nor where there is no folder', () => {
    chmodSync(folder, 0o777);
    keepCode(path, key, () => code);
    keepCode(join(folder, 'none', '@code'), key, () => code);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing of processes that were killed while they wrote', () => {
    const others = ['@code-run.7', '@planner.7', '@code.so'];
    for (const name of ['@code.1', '@code.7.123456789', ...others]) writeFileSync(join(folder, name), 'half');
    keepCode(path, key, () => code);
    expect(readdirSync(folder).toSorted()).toEqual(['@code', ...others].toSorted());
    expect(keptCode(path, key)).toEqual(code);
  });

  it('is whole where another process writes it meanwhile', () => {
    const other = Buffer.from('code of another');
    keepCode(path, key, () => {
      keepCode(path, key, () => other);
      return code;
    });
    expect(keptCode(path, key)).toEqual(code);
    expect(readdirSync(folder)).toEqual(['@code']);
  });

  it('replaces what was there, and a link instead of what it names', () => {
    const other = join(folder, 'other');
    writeFileSync(other, 'theirs');
    symlinkSync(other, path);
    keepCode(path, key, () => code);
    expect(readFileSync(other, 'utf8')).toBe('theirs');
    expect(keptCode(path, key)).toEqual(code);
  });
});

function swapForLink(path: string): void {
  const whole = `${path}.whole`;
  writeFileSync(whole, readFileSync(path), { mode: 0o600 });
  rmSync(path);
  symlinkSync(whole, path);
}
