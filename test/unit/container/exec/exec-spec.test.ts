import { describe, expect, it } from 'vitest';
import { specOf } from '../../../../lib/container/exec/exec-spec.js';
import { parseExec } from '../../../../lib/container/options/exec-options.js';
import type { ProgramSpec } from '../../../../lib/container/plan/program-spec.js';
import type { ExecOptions } from '../../../../lib/index.js';

const own: ProgramSpec = {
  env: ['PATH=/bin', 'HOSTNAME=box', 'A=a=b', 'EMPTY='],
  cwd: '/work',
  user: 'user',
  groupAdd: ['games'],
  umask: 0o027,
  capabilities: 5n,
  noNewPrivileges: true,
  filter: new Uint8Array(8),
  ulimits: { nofile: 64, core: 0 },
  scheduler: { policy: 'idle' },
  oomScoreAdj: 100,
};
const spec = (options: ExecOptions = {}): ProgramSpec => specOf(own, parseExec(options), () => 0xffn);

describe('how a program runs in a container', () => {
  it('as the own one, when nothing is said', () => {
    expect(spec()).toEqual(own);
  });

  it('otherwise in what is said alone', () => {
    const options: ExecOptions = { cwd: '/', user: 0, umask: 0, limits: { ulimits: { nofile: 5 }, scheduler: { policy: 'batch' } } };
    expect(spec(options)).toEqual({
      ...own,
      cwd: '/',
      user: '0',
      umask: 0,
      ulimits: { nofile: 5, core: 0 },
      scheduler: { policy: 'batch' },
    });
  });

  it("in the container's groups, unless others or none are given", () => {
    expect(spec({ user: 'other' }).groupAdd).toEqual(['games']);
    expect(spec({ groupAdd: ['audio', 7] }).groupAdd).toEqual(['audio', '7']);
    expect(spec({ groupAdd: [] }).groupAdd).toEqual([]);
  });

  it('with the capabilities of this process when it is privileged, the filter and no_new_privs unchanged', () => {
    expect(spec({ privileged: true })).toEqual({ ...own, capabilities: 0xffn });
  });
});

describe('its environment', () => {
  it("has the container's, values with '=' and empty ones too, then its own", () => {
    expect(spec({ env: { A: 'own', NEW: 'x=y' } }).env).toEqual(['PATH=/bin', 'HOSTNAME=box', 'A=own', 'EMPTY=', 'NEW=x=y']);
  });

  it('leaves out what is set to undefined', () => {
    expect(spec({ env: { A: undefined, NONE: undefined } }).env).toEqual(['PATH=/bin', 'HOSTNAME=box', 'EMPTY=']);
  });

  it("has Node's below all others, when it is asked for", () => {
    const { env } = spec({ extendEnv: true });
    expect(env).toContain('PATH=/bin');
    expect(env).not.toContain(`PATH=${process.env.PATH}`);
    expect(env.length).toBeGreaterThan(own.env.length);
    expect(spec().env).toHaveLength(own.env.length);
  });
});
