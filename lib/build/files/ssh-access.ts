import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ContainerOptions } from '../../container/options/container-types.js';
import { hasCode, UnsupportedError } from '../../errors.js';
import { findProgram } from '../../host/programs.js';
import { InstructionProblem } from '../language/build-error.js';
import { sshHostOf } from '../language/git-reference.js';
import { listenFor } from './ssh-socket.js';

/** What a container of git(1) needs to fetch by SSH, until it is closed. */
export interface SshAccess {
  readonly options: Required<Pick<ContainerOptions, 'mounts' | 'copyIn'>>;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Where all of it is in the container. */
const FOLDER = '/tmp/ssh';
/** The agent that is used where nothing names one, as in BuildKit. */
const DEFAULT_AGENT = 'default';

/** The agent for repositories. @throws InstructionProblem when none was given */
export function agentFor(remote: string, agents: ReadonlyMap<string, string>): string {
  const agent = agents.get(DEFAULT_AGENT);
  if (agent !== undefined) return agent;
  throw new InstructionProblem(
    `ADD of the repository ${JSON.stringify(remote)}: git over SSH needs an ssh agent: the option ssh gives one, as 'default'`,
  );
}

/**
 * The agent and the keys of servers for a repository, for the server of its URL alone: a submodule that leads elsewhere finds no agent.
 *
 * @param agent the path of its socket
 * @throws UnsupportedError without ssh(1); what listening and reading files throws
 */
export async function sshAccess(remote: string, agent: string): Promise<SshAccess> {
  if (findProgram('ssh') === null)
    throw new UnsupportedError(
      `ADD of the repository ${remote}`,
      'the program ssh is not in PATH',
      'Install it: apt-get install openssh-client.',
    );
  const known = await knownHosts();
  // only who can enter the socket's folder, or has it mounted, reaches the socket: whoever that is may write to it
  const { path, close } = await listenFor(agent, { mode: 0o666, uid: 0, gid: 0 });
  const mounts = [{ type: 'bind' as const, source: path, target: `${FOLDER}/agent`, options: ['nodev'] }];
  const copyIn = { [`${FOLDER}/config`]: sshConfig(sshHostOf(remote)), [`${FOLDER}/known_hosts`]: known };
  const env = { GIT_SSH_COMMAND: `ssh -F ${FOLDER}/config`, GIT_SSH_VARIANT: 'ssh' };
  return { options: { mounts, copyIn }, env, close };
}

/**
 * A configuration of ssh(1), in place of all of this machine's: ssh_config(5). The first value of a word counts. A key that is not known ends it,
 * as nobody is there to ask.
 */
export function sshConfig(host: string): string {
  const lines = [
    ...[`Host ${host}`, `IdentityAgent ${FOLDER}/agent`, 'Host *', 'IdentityAgent none', 'IdentityFile none', 'User git'],
    ...['BatchMode yes', 'StrictHostKeyChecking yes', `UserKnownHostsFile ${FOLDER}/known_hosts`, 'GlobalKnownHostsFile /dev/null'],
    ...['UpdateHostKeys no', 'ForwardAgent no', 'ForwardX11 no', 'ClearAllForwardings yes', 'PermitLocalCommand no'],
    ...['PreferredAuthentications publickey', 'LogLevel ERROR', 'ConnectTimeout 30', 'ServerAliveInterval 30', 'ServerAliveCountMax 4'],
  ];
  return `${lines.join('\n')}\n`;
}

/** The keys of servers that this user and this machine know: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
async function knownHosts(): Promise<string> {
  const texts = [join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'].map((path) =>
    readFile(path, 'latin1').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return '';
      throw error;
    }),
  );
  return (await Promise.all(texts)).map((text) => `${text}\n`).join('');
}
