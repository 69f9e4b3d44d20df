import { env as nodeEnv } from 'node:process';
import type { CapabilityMask } from '../../plan/capability-names.js';
import type { ParsedExec } from '../options/exec-options.js';
import type { ProgramSpec } from '../plan/program-spec.js';
import { asksForRoot } from '../start/program-facts.js';
import { terminalEnvironment } from '../start/terminal-environment.js';

/**
 * How a program runs in a container: as the container's own, but for what was said.
 *
 * @param held what this process may hand on to a program that is privileged
 */
export function specOf(of: ProgramSpec, { process, umask, privileged, limits }: ParsedExec, held: () => CapabilityMask): ProgramSpec {
  const { notRoot, ...whole } = of;
  return {
    ...(process.user !== null && asksForRoot(process.user) ? whole : of),
    env: environment(of.env, process),
    cwd: process.cwd ?? of.cwd,
    user: process.user ?? of.user,
    groupAdd: process.groupAdd ?? of.groupAdd,
    umask: umask ?? of.umask,
    capabilities: privileged ? held() : of.capabilities,
    ulimits: { ...of.ulimits, ...limits.ulimits },
    scheduler: limits.scheduler ?? of.scheduler,
  };
}

/** 'NAME=value', later ones winning: TERM, Node's own when asked for, the container's, the caller's. */
function environment(container: readonly string[], { env, extendEnv, tty }: ParsedExec['process']): string[] {
  const all = new Map<string, string | undefined>(Object.entries({ ...terminalEnvironment(tty), ...(extendEnv ? nodeEnv : {}) }));
  for (const line of container) all.set(line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1));
  for (const [name, value] of Object.entries(env)) all.set(name, value);
  return [...all].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}
