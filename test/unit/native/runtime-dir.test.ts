import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, geteuid } from 'node:process';
import { afterEach, describe, expect, it } from 'vitest';
import { mayMakeIn, mayWriteFile } from '../../../lib/native/may-write.js';
import { mayUseSystemFolder, runtimeDir } from '../../../lib/native/runtime-dir.js';

const before = { ...env };

afterEach(() => {
  for (const name of ['NACELLE_RUNROOT', 'XDG_RUNTIME_DIR']) {
    if (before[name] === undefined) delete env[name];
    else env[name] = before[name];
  }
});

it('is where NACELLE_RUNROOT says, from here when it is relative', () => {
  env.NACELLE_RUNROOT = '/srv/run';
  expect(runtimeDir()).toBe('/srv/run');
  env.NACELLE_RUNROOT = 'run';
  expect(runtimeDir()).toBe(`${process.cwd()}/run`);
});

it("is root's own, or the session's", () => {
  env.NACELLE_RUNROOT = '';
  env.XDG_RUNTIME_DIR = '/run/user/7';
  expect(runtimeDir()).toBe(geteuid?.() === 0 ? '/run/nacelle' : '/run/user/7/nacelle');
});

describe('a right to write', () => {
  it('is that to what is there', () => {
    expect([mayMakeIn('/proc/self/nothing'), mayWriteFile('/proc/self/nothing')]).toEqual([false, false]);
    expect([mayMakeIn(tmpdir()), mayWriteFile('/proc/self/comm')]).toEqual([true, true]);
    // the kernel has processes alone change that folder, also for root
    expect(mayMakeIn('/proc/self')).toBe(false);
  });

  it('is not denied by an error that is about something else', () => {
    expect(() => mayWriteFile(`/${'x'.repeat(256)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
  });

  it("to a system's folder is root's, also before the folder is there", () => {
    const isRoot = geteuid?.() === 0;
    expect(mayUseSystemFolder(join(tmpdir(), 'nacelle-not', 'there'))).toBe(isRoot);
    expect(mayUseSystemFolder('/proc/self/nacelle-not-there')).toBe(false);
  });
});
