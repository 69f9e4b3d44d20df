import { posix } from 'node:path';
import { InstructionProblem } from '../language/build-error.js';
import { parseRunMount, type RunMount } from '../language/run-mounts.js';

/** Where RUN sees a mount: absolute, without '.', '..', and '/' at its end. */
interface At {
  readonly target: string;
}

export interface BindMount extends At {
  readonly type: 'bind';
  /** `--from` as it is written; '': the context. */
  readonly from: string;
  readonly source: string;
  readonly readOnly: boolean;
}

export interface TmpfsMount extends At {
  readonly type: 'tmpfs';
  /** Bytes; `null`: up to half of the memory. */
  readonly size: number | null;
}

export interface CacheMount extends At, Owned {
  readonly type: 'cache';
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What its first content is of; '': nothing. */
  readonly from: string;
  readonly source: string;
  readonly readOnly: boolean;
}

export interface SecretMount extends Owned {
  readonly type: 'secret';
  readonly id: string;
  /** `null`: it is a variable alone. */
  readonly target: string | null;
  /** `null`: it is a file alone. */
  readonly env: string | null;
  readonly required: boolean;
}

export interface SshMount extends At, Owned {
  readonly type: 'ssh';
  readonly id: string;
  readonly required: boolean;
}

interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type PlannedMount = BindMount | TmpfsMount | CacheMount | SecretMount | SshMount;

/** What a mount's text depends on. */
interface PlanFor {
  /** Puts the values of variables in. */
  readonly expand: (word: string) => string;
  /** Absolute: a path is below it. */
  readonly workingDir: string;
}

/**
 * The mounts of a RUN, with all that they don't say filled in as BuildKit does.
 *
 * @throws InstructionProblem
 */
export function plannedMounts(texts: readonly string[], plan: PlanFor): PlannedMount[] {
  const mounts = texts.map((text, index) => planned(parseRunMount(text, plan.expand), index, plan));
  const seen = new Set<string>();
  for (const { target } of mounts) {
    if (target !== null && seen.has(target)) throw new InstructionProblem(`two mounts have the target ${target}`);
    if (target !== null) seen.add(target);
  }
  return mounts;
}

function planned(mount: RunMount, index: number, { workingDir }: PlanFor): PlannedMount {
  const { type, from, source, readOnly, required } = mount;
  const owned = (mode: number): Owned => ({ mode: mount.mode ?? mode, uid: mount.uid ?? 0, gid: mount.gid ?? 0 });
  const target = (path: string): string => absoluteTarget(path, workingDir);
  switch (type) {
    case 'bind':
      return { type, from, source, readOnly, target: target(mount.target) };
    case 'tmpfs':
      return { type, size: mount.size, target: target(mount.target) };
    case 'cache': {
      const id = mount.id === '' ? posix.normalize(mount.target) : mount.id;
      const sharing = mount.sharing ?? 'shared';
      return { type, from: from === 'scratch' ? '' : from, source, readOnly, id, sharing, target: target(mount.target), ...owned(0o755) };
    }
    case 'secret':
      return { type, required, ...secretOf(mount, target), ...owned(0o400) };
    case 'ssh':
      return {
        type,
        required,
        id: mount.id === '' ? 'default' : mount.id,
        target: target(mount.target === '' ? `/run/buildkit/ssh_agent.${index}` : mount.target),
        ...owned(0o600),
      };
  }
}

function secretOf(mount: RunMount, absolute: (path: string) => string): Pick<SecretMount, 'id' | 'target' | 'env'> {
  const id = mount.source || mount.id || posix.basename(mount.target);
  const env = mount.env === '' ? id : mount.env;
  if (env !== null && (env === '' || /[=\0]/.test(env))) throw new InstructionProblem(`${JSON.stringify(env)} is no name of a variable`);
  if (mount.target !== '') return { id, env, target: absolute(mount.target) };
  if (env !== null) return { id, env, target: null };
  const name = posix.basename(id);
  if (name === '' || name === '.' || name === '..') throw new InstructionProblem(`the secret ${JSON.stringify(id)} needs a target`);
  return { id, env, target: absolute(`/run/secrets/${name}`) };
}

/** Where the kernel shows what it and we need. */
const KERNELS = ['/proc', '/sys'];

function absoluteTarget(path: string, workingDir: string): string {
  if (path.includes('\0')) throw new InstructionProblem('the target of a mount has a NUL byte');
  const target = posix.resolve(workingDir, path);
  if (target === '/') throw new InstructionProblem(`invalid mount target ${JSON.stringify(path)}: it is the root`);
  if (target === '/dev' || KERNELS.some((folder) => target === folder || target.startsWith(`${folder}/`)))
    throw new InstructionProblem(`invalid mount target ${JSON.stringify(path)}: /dev, /proc and /sys are the container's own`);
  return target;
}

/**
 * Refuses what would show its files as nobody's: their owners are ids of this machine, which RUN's own user namespace has not.
 *
 * @throws InstructionProblem
 */
export function requireOwners(mounts: readonly PlannedMount[], { userns }: { readonly userns: 'host' | 'auto' }): void {
  const foreign = userns === 'host' ? undefined : mounts.find(({ type }) => type === 'bind' || type === 'cache' || type === 'ssh');
  if (foreign) throw new InstructionProblem(`RUN --mount=type=${foreign.type} is not supported with the option userns: 'auto'`);
}

/**
 * What a step's key has of a mount beside the content that a bind, or the first content of a cache, shows: nothing that a secret, an agent or a cache
 * holds. The namespace keeps what one project's caches and secrets have led to from others.
 */
export function shapeOf(mount: PlannedMount, namespace: string): readonly (string | number | boolean | null)[] {
  switch (mount.type) {
    case 'bind':
      return [mount.type, mount.target, mount.readOnly];
    case 'tmpfs':
      return [mount.type, mount.target, mount.size];
    case 'cache':
      return [mount.type, mount.target, mount.id, mount.readOnly, mount.source, namespace];
    case 'secret':
      return [mount.type, mount.target, mount.id, mount.env, mount.mode, mount.uid, mount.gid, namespace];
    case 'ssh':
      return [mount.type, mount.target, mount.id, mount.mode, mount.uid, mount.gid, namespace];
  }
}
