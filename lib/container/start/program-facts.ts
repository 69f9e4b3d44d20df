import { env as nodeEnv } from 'node:process';
import { ImageError, invalidOption } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import type { ImageConfig } from '../../image/formats/image-config.js';
import { parseStopSignal } from '../../image/formats/stop-signal.js';
import { DEFAULT_PATH } from '../../plan/constants.js';
import { idOutside } from '../../plan/user-maps.js';
import { SIGTERM } from '../../process/options/signals.js';
import type { ProgramUser } from '../../process/program-steps.js';
import type { ParsedOptions } from '../options/container-options.js';
import { NOBODY, SCRATCH } from '../options/profiles.js';
import type { ProgramSpec } from '../plan/program-spec.js';
import type { UserNamespacePlan } from '../plan/userns.js';
import { terminalEnvironment } from './terminal-environment.js';

// What a container's program is, of the caller's options and of what the image says of it.

/**
 * The image's user as docker reads it: an empty user (from an empty variable in a Dockerfile) is root, and an empty group is the user's
 * own.
 */
function userOf({ user = '' }: ImageConfig): string {
  const [name, group] = user.split(':');
  return `${name || '0'}${group ? `:${group}` : ''}`;
}

const ROOT = /^(?:root|0)(?::|$)|:(?:root|0)$/;

/**
 * Whom a program runs as. Of a profile, nobody takes the place of root, but where the caller has asked for root, or where only root is mapped: the
 * image's own files say which id a name has, also one that the caller gives.
 */
export function programUser(
  { profile, process: { user } }: Pick<ParsedOptions, 'profile' | 'process'>,
  config: ImageConfig,
  users: UserNamespacePlan,
): Pick<ProgramUser, 'user' | 'notRoot'> {
  const wanted = user ?? userOf(config);
  if (profile === null || (user !== null && asksForRoot(user))) return { user: wanted };
  const isThere = users.kind === 'none' || [users.uid, users.gid].every((map) => idOutside(map, NOBODY) !== null);
  if (!isThere) return { user: wanted };
  return { user: asksForRoot(wanted) ? `${NOBODY}:${NOBODY}` : wanted, notRoot: NOBODY };
}

/** Whether root is asked for, and not by a name that files may give to root. */
export function asksForRoot(user: string): boolean {
  return ROOT.test(user);
}

/** The signal that asks the first process to end. @throws ImageError when the image names no signal */
export function stopSignalOf({ stopSignal }: ImageConfig): number {
  const number = stopSignal ? parseStopSignal(stopSignal) : SIGTERM;
  if (number === null) throw new ImageError(`the image's StopSignal is ${JSON.stringify(stopSignal)}, which is no signal`);
  return number;
}

export function entrypointOf(options: ParsedOptions, config: ImageConfig): readonly string[] {
  return options.entrypoint ?? config.entrypoint ?? [];
}

/** Entrypoint and command as docker combines them: an entrypoint of the caller's drops the image's command. */
export function argvOf(options: ParsedOptions, config: ImageConfig): string[] {
  const entrypoint = entrypointOf(options, config);
  const imageCommand = options.entrypoint === null ? (config.cmd ?? []) : [];
  // an empty list counts as not given: a caller may pass on arguments of which there are none
  const command = options.command?.length ? options.command : imageCommand;
  const argv = [...entrypoint, ...command];
  if (argv.length === 0) throw invalidOption('command', 'is missing: the image names no program either');
  return argv;
}

/** How a program runs but for its capabilities and its filter, which depend on each other. */
export function programOf(
  options: ParsedOptions,
  config: ImageConfig,
  { hostname, users }: { readonly hostname: string; readonly users: UserNamespacePlan },
): Omit<ProgramSpec, 'capabilities' | 'filter'> {
  const { process, profile, limits, noNewPrivileges, oomScoreAdj } = options;
  const user = privilege();
  return {
    env: environment(options, config, hostname),
    cwd: process.cwd ?? (config.workingDir || (profile === null ? '/' : SCRATCH)),
    groupAdd: process.groupAdd ?? [],
    keepsGroups: user.kind === 'user' && user.whyOne !== null,
    umask: process.umask,
    noNewPrivileges,
    ulimits: limits.ulimits,
    scheduler: limits.scheduler,
    oomScoreAdj,
    ...programUser(options, config, users),
  };
}

/** 'NAME=value', later ones winning: PATH, HOSTNAME and TERM, Node's own when asked for, the image's, the caller's. */
export function environment(options: ParsedOptions, config: ImageConfig, hostname: string): string[] {
  const { env, extendEnv, tty } = options.process;
  const all: Record<string, string | undefined> = {
    PATH: DEFAULT_PATH,
    HOSTNAME: hostname,
    ...terminalEnvironment(tty),
    ...(extendEnv ? nodeEnv : {}),
    ...config.env,
    ...env,
  };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

/** The image's own volumes; where a profile has a root that is read-only, an image has no place to write but the caller's. */
export function imageVolumes(
  { profile, readOnly }: Pick<ParsedOptions, 'profile' | 'readOnly'>,
  { volumes }: ImageConfig,
): readonly string[] {
  return profile !== null && readOnly ? [] : (volumes ?? []);
}
