import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpenGroupFiles } from '../../../../lib/cgroup/files/open-group-files.js';

let folder = '';
let file = '';

/** How often this process has the file open. */
function opened(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // the descriptor by which the folder was read
    }
  }).length;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nacelle-group-files-'));
  file = join(folder, 'pids.events');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('OpenGroupFiles', () => {
  it('opens a file once, and reads it anew each time', () => {
    const files = new OpenGroupFiles();
    for (const text of ['max 0\n', 'max 12\n', 'max 3\n']) {
      writeFileSync(file, text);
      expect(files.read(file)).toBe(text);
      expect(opened()).toBe(1);
    }
    files.close();
    expect(opened()).toBe(0);
  });

  it('has nothing for a file that is not there, also when it comes later', () => {
    const files = new OpenGroupFiles();
    expect(files.read(file)).toBeNull();
    writeFileSync(file, 'max 1\n');
    expect(files.read(file)).toBe('max 1\n');
    files.close();
  });

  it('reads after its end, too, and keeps nothing open then', () => {
    const files = new OpenGroupFiles();
    writeFileSync(file, 'max 1\n');
    files.close();
    files.close();
    expect(files.read(file)).toBe('max 1\n');
    expect(opened()).toBe(0);
  });

  it('says which file can not be read', () => {
    expect(() => new OpenGroupFiles().read(folder)).toThrow(expect.objectContaining({ code: 'EISDIR', path: folder }));
    expect(opened()).toBe(0);
  });
});
