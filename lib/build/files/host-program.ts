import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { Container } from '../../container/container.js';
import type { ContainerOptions } from '../../container/options/container-types.js';
import { UnsupportedError } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import { findProgram } from '../../host/programs.js';
import { wordsOf } from '../../native/system-errors.js';
import { isUsersRefused } from './users-refused.js';

/** Where programs are that every user of a machine has. */
const USUAL = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** Nobody, on every machine. */
const NOBODY = '65534:65534';
/** How much of what a program says of its failure is told, in UTF-16 units. */
const LAST_WORDS = 2048;

/** Takes what is to be told of a build that goes on. */
export type Warn = (message: string) => void;

/** A program of this machine that a build needs, and what it is needed for. */
export interface HostProgram {
  readonly name: string;
  /** Debian's package that has it. */
  readonly package: string;
  /** For errors: what can't be done without it. */
  readonly what: string;
  /** Root's program has what no other program of this machine's nobody may reach: without a user namespace of its own there is none. Default: false. */
  readonly needsUsers?: boolean;
}

/**
 * A container with this machine's files, to be read alone, in which a program works on what others wrote: with no capability, as nobody, and
 * with no network unless it is given one, and found in PATH. An ordinary user's is that user's own: which id nobody is depends on the subordinate ids.
 * Root's is in a user namespace of its own where root can have one, so that its nobody is no id of this machine's: else whoever is nobody here could read its
 * environment, which may have secrets, in /proc.
 *
 * @param warn is told why root's has no user namespace of its own
 * @throws UnsupportedError when the program is not installed; what making a container throws
 */
export async function hostProgram(
  { name, package: debian, what, needsUsers = false }: HostProgram,
  options: Pick<
    ContainerOptions,
    | 'command'
    | 'network'
    | 'env'
    | 'ulimits'
    | 'tmpfs'
    | 'mounts'
    | 'copyIn'
    | 'cwd'
    | 'stdin'
    | 'memory'
    | 'cpus'
    | 'pidsLimit'
    | 'timeout'
    | 'userns'
  >,
  warn: Warn,
): Promise<Container> {
  const path = findProgram(name);
  if (path === null) throw new UnsupportedError(what, `the program ${name} is not in PATH`, `Install it: apt-get install ${debian}.`);
  const { env, ulimits, userns, ...others } = options;
  const isRoot = privilege().kind === 'root';
  const create = (users: ContainerOptions['userns']): Promise<Container> =>
    Container.create({
      image: 'host',
      env: { ...env, PATH: [...new Set([...USUAL, dirname(realpathSync(path))])].join(':'), LC_ALL: 'C.UTF-8' },
      ...(isRoot ? { user: NOBODY } : {}),
      readOnly: true,
      capDrop: ['ALL'],
      network: 'none',
      ulimits: { core: 0, nofile: 256, ...ulimits },
      buffer: false,
      healthcheck: 'none',
      // an ordinary user may have no groups to count processes in: what counts then is the limits of each process
      ...(isRoot ? {} : { onUnsupported: 'report' }),
      ...others,
      userns: users,
    });
  if (userns === 'auto' || !isRoot) return create(userns);
  try {
    return await create('auto');
  } catch (error) {
    if (needsUsers || !isUsersRefused(error)) throw error;
    const container = await create(userns);
    warn(`${name} runs as this machine's nobody (${NOBODY}), whose other programs can read its environment: ${wordsOf(error)}`);
    return container;
  }
}

/** The last words of a stream, which is read to its end. */
export async function lastWords(stream: Readable | null): Promise<string> {
  const decoder = new TextDecoder();
  let last = '';
  for await (const chunk of stream ?? []) last = (last + decoder.decode(chunk, { stream: true })).slice(-LAST_WORDS);
  return (last + decoder.decode()).trim();
}
