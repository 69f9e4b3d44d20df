import type { Container } from '../../container/container.js';
import type { ContainerOptions } from '../../container/options/container-types.js';
import { proxies } from '../../image/registry/transport.js';
import { InstructionProblem } from '../language/build-error.js';
import type { GitReference } from '../language/git-reference.js';
import { hostProgram, lastWords, type Warn } from './host-program.js';
import { agentFor, type SshAccess, sshAccess } from './ssh-access.js';

/** What git(1) works with: the network of the build, and the limits of each RUN. */
export interface GitPlace {
  readonly network: string;
  readonly limits: Pick<ContainerOptions, 'memory' | 'cpus' | 'pidsLimit' | 'timeout' | 'userns'>;
  /** For GIT_AUTH_TOKEN and GIT_AUTH_HEADER, also with '.HOST' behind. */
  readonly secrets: ReadonlyMap<string, Buffer>;
  /** Sockets of agents, of which 'default' is for repositories by SSH. */
  readonly ssh: ReadonlyMap<string, string>;
  readonly signal: AbortSignal | undefined;
  readonly warn: Warn;
}

/** The one place that git can write to. */
export const WORK = '/tmp/git';

/** A server that sends less than this many bytes a second for so many seconds is given up. */
const LEAST_SPEED = { limit: 1024, time: 60 };

/**
 * What a repository may take where the caller has no limits: ms, for git:// has no patience of its own and a chain of submodules no end;
 * bytes, for files lie in memory; and processes.
 */
const LARGEST = { timeout: 30 * 60_000, size: '4g', pidsLimit: 512 };

/**
 * Bytes of address space of each process, whatever limits the caller has: git gives an object of a pack as much memory as its head says, and a listing as
 * much as it has. What git maps of packs, and how many threads it has, is kept well below.
 */
const MOST_MEMORY = 4 * 1024 ** 3;

/** In place of all files of configuration: nothing of this machine's, of the user's, or of the repository's runs a program. */
const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.attributesFile': '/dev/null',
  'advice.detachedHead': 'false',
  'init.defaultBranch': 'master',
  'init.templateDir': '',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'core.packedGitLimit': '1g',
  'pack.threads': '4',
  'safe.directory': '*',
  'http.lowSpeedLimit': `${LEAST_SPEED.limit}`,
  'http.lowSpeedTime': `${LEAST_SPEED.time}`,
};

/** From HTTPS neither a redirect nor a submodule leads to anything else, and from SSH to nothing that doesn't say who answers. The others say nothing of who answers anyway. */
const PROTOCOLS: Readonly<Record<GitReference['scheme'], string>> = {
  https: 'https',
  http: 'http:https',
  git: 'git:http:https',
  ssh: 'ssh:https',
};

/**
 * Runs a shell's script with git(1) in a container of its own, and does something with what it has said and left, before all of it is gone.
 *
 * @param args `$1` and so on
 * @throws InstructionProblem with git's last words when the script fails, or without an agent for a repository by SSH; UnsupportedError without git(1), or
 *   without the ssh(1) that such a repository needs; what {@link sshAccess} throws; the reason of the signal
 */
export async function withGit<T>(
  reference: GitReference,
  place: GitPlace,
  script: Script,
  work: (container: Container, said: string) => Promise<T>,
): Promise<T> {
  place.signal?.throwIfAborted();
  const { remote, scheme } = reference;
  if (scheme !== 'ssh') return gitIn(reference, place, { ...script, access: null }, work);
  const access = await sshAccess(remote, agentFor(remote, place.ssh));
  try {
    return await gitIn(reference, place, { ...script, access }, work);
  } finally {
    await access.close();
  }
}

interface Script {
  readonly script: string;
  readonly args: readonly string[];
}

async function gitIn<T>(
  reference: GitReference,
  { network, limits, secrets, signal, warn }: GitPlace,
  { script, args, access }: Script & { readonly access: SshAccess | null },
  work: (container: Container, said: string) => Promise<T>,
): Promise<T> {
  const { remote } = reference;
  const container = await hostProgram(
    { name: 'git', package: 'git', what: `ADD of the repository ${remote}`, needsUsers: access !== null },
    {
      command: ['/bin/sh', '-euc', script, 'git', ...args],
      network,
      env: { ...environment(reference, secrets), ...access?.env },
      ...access?.options,
      tmpfs: { '/tmp': `mode=1777,size=${LARGEST.size}` },
      cwd: '/tmp',
      ulimits: { as: MOST_MEMORY },
      ...limits,
      timeout: limits.timeout || LARGEST.timeout,
      pidsLimit: limits.pidsLimit ?? LARGEST.pidsLimit,
    },
    warn,
  );
  const stop = (): void => void container.kill('SIGKILL').catch(() => undefined);
  try {
    const [said, words] = [textOf(container), lastWords(container.stderr)];
    signal?.addEventListener('abort', stop, { once: true });
    signal?.throwIfAborted();
    await container.start();
    const { exitCode, status } = await container.wait();
    signal?.throwIfAborted();
    if (exitCode !== 0)
      throw new InstructionProblem(`ADD of the repository ${remote}: ${plain(await words) || `git has failed: ${status}`}`);
    return await work(container, await said);
  } finally {
    signal?.removeEventListener('abort', stop);
    await container.remove({ force: true });
  }
}

/** Bytes of output: what a repository lists is as long as its server likes. */
const MOST_OUTPUT = 1024 * 1024;

async function textOf({ stdout }: Container): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdout ?? []) {
    size += chunk.length;
    if (size <= MOST_OUTPUT) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function environment(reference: GitReference, secrets: GitPlace['secrets']): Record<string, string> {
  const config = Object.entries({ ...CONFIG, ...authOf(reference, secrets) });
  const { httpProxy, httpsProxy } = proxies();
  const noProxy = process.env.no_proxy ?? process.env.NO_PROXY ?? '';
  return {
    HOME: '/tmp',
    // a file that is there all the same counts for nothing
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: `${config.length}`,
    ...Object.fromEntries(
      config.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    GIT_ALLOW_PROTOCOL: PROTOCOLS[reference.scheme],
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_TERMINAL_PROMPT: '0',
    ...(httpProxy === '' ? {} : { http_proxy: httpProxy }),
    ...(httpsProxy === '' ? {} : { https_proxy: httpsProxy }),
    ...(noProxy === '' ? {} : { no_proxy: noProxy }),
  };
}

/**
 * A header for the host of the URL alone. No submodule takes the header elsewhere; a redirect would, since git sends it with all that follows
 * from the first URL: so none is followed.
 */
function authOf({ remote, scheme }: GitReference, secrets: GitPlace['secrets']): Record<string, string> {
  if (scheme !== 'https' && scheme !== 'http') return {};
  const { origin, host } = new URL(remote);
  const of = (name: string): Buffer | undefined => secrets.get(`${name}.${host}`) ?? secrets.get(name);
  const header = of('GIT_AUTH_HEADER')?.toString();
  const token = of('GIT_AUTH_TOKEN')?.toString();
  const value = header ?? (token === undefined ? undefined : `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`);
  if (value === undefined) return {};
  if (/[\r\n\0]/.test(value)) throw new InstructionProblem('the secret for git has a line end or a NUL byte, which no header can have');
  return { [`http.${origin}/.extraHeader`]: `Authorization: ${value}`, 'http.followRedirects': 'false' };
}

/** What a server says is in git's words, too. */
function plain(words: string): string {
  return words.replaceAll(/\p{Cc}+/gu, ' ').trim();
}
