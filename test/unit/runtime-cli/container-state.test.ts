import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containerIds, madeRecord, makeStateFolder, stateFolder, writeWhole } from '../../../lib/runtime-cli/state/container-state.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nacelle-test-state-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a root of states', () => {
  it('that others can write to is believed by no command, and stays as it is', () => {
    mkdirSync(join(folder, 'one'));
    writeFileSync(join(folder, 'one/state.json'), '{}');
    chmodSync(folder, 0o777);
    const refused = expect.objectContaining({ code: 'ERR_NOT_OWN' });
    expect(() => madeRecord(stateFolder(folder, 'one'))).toThrow(refused);
    expect(() => containerIds(folder)).toThrow(refused);
    expect(() => makeStateFolder(folder, 'two')).toThrow(refused);
    expect(statSync(folder).mode & 0o777).toBe(0o777);
    expect(readdirSync(folder)).toEqual(['one']);
  });

  it('that others can only read is believed, and is not closed to them: it may be /run', () => {
    chmodSync(folder, 0o755);
    expect(makeStateFolder(folder, 'one')).toMatchObject({ path: join(folder, 'one') });
    expect([containerIds(folder), statSync(folder).mode & 0o777]).toEqual([['one'], 0o755]);
    expect(statSync(join(folder, 'one')).mode & 0o777).toBe(0o700);
  });
});

describe('a file that is written as a whole', () => {
  it('is no link’s target', () => {
    const [victim, file] = [join(folder, 'victim'), join(folder, 'pid')];
    writeFileSync(victim, 'kept');
    // the name that it had before its own was known to everybody
    for (const name of [file, `${file}.${process.pid}.new`]) symlinkSync(victim, name);
    writeWhole(file, '42');
    expect([readFileSync(file, 'utf8'), readFileSync(victim, 'utf8')]).toEqual(['42', 'kept']);
  });

  it('leaves nothing where it can not be', () => {
    mkdirSync(join(folder, 'pid'));
    expect(() => writeWhole(join(folder, 'pid'), '42')).toThrow(/EISDIR|EEXIST|ENOTEMPTY/);
    expect(readdirSync(folder)).toEqual(['pid']);
  });
});
