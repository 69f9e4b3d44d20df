import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pathOf } from '../../../lib/cgroup/group-plan.js';
import { moveAbove } from '../../../lib/cgroup/move-processes.js';

describe('a process that is moved below several bases', () => {
  let base: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'nacelle-groups-'));
    mkdirSync(pathOf(base, 'a'), { recursive: true });
  });
  afterEach(() => rmSync(base, { recursive: true }));

  const procs = (): string => join(pathOf(base, 'a'), 'cgroup.procs');

  it('goes to the nearest group that is there', () => {
    moveAbove('move it', 42, [base], 'a/b/c');
    expect(readFileSync(procs(), 'utf8')).toBe('42');
  });

  it("goes to none above one that can't be looked at", () => {
    symlinkSync('b', pathOf(base, 'a/b'));
    expect(() => moveAbove('move it', 42, [base], 'a/b/c')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    expect(existsSync(procs())).toBe(false);
  });
});
