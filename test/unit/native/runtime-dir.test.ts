import { env, geteuid } from 'node:process';
import { afterEach, expect, it } from 'vitest';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';

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
