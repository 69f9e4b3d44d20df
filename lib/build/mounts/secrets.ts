import { type Stats, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { types } from 'node:util';
import { errnoOf, invalidOption } from '../../errors.js';
import { wordsOf } from '../../native/system-errors.js';

/** Where a secret is: its text or bytes, a variable of this process, or a file. */
export type SecretSource = string | Uint8Array | { readonly env: string } | { readonly file: string };

/** The most bytes that a secret has, as with BuildKit. */
const MOST = 500 * 1024;

/**
 * Reads the secrets of a build, whose values nothing tells.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for one that is missing or too large
 */
export async function readSecrets(sources: Readonly<Record<string, SecretSource>>): Promise<ReadonlyMap<string, Buffer>> {
  const secrets = new Map<string, Buffer>();
  for (const [id, source] of Object.entries(sources)) {
    const content = await contentOf(source, `secrets.${id}`);
    if (content.length > MOST) throw invalidOption(`secrets.${id}`, `has more than ${MOST} bytes`);
    secrets.set(id, content);
  }
  return secrets;
}

async function contentOf(source: SecretSource, option: string): Promise<Buffer> {
  if (typeof source === 'string' || types.isUint8Array(source)) return Buffer.from(source);
  if ('env' in source) {
    const value = process.env[source.env];
    if (value === undefined) throw invalidOption(option, `the environment has no variable ${JSON.stringify(source.env)}`);
    return Buffer.from(value);
  }
  const path = source.file;
  try {
    const status = await stat(path);
    if (!status.isFile()) throw invalidOption(option, `${JSON.stringify(path)} is no file`);
    if (status.size > MOST) throw invalidOption(option, `has more than ${MOST} bytes`);
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw invalidOption(option, `${JSON.stringify(path)}: ${wordsOf(error)}`, error);
  }
}

/** The most bytes of a socket's path (unix(7)). */
const LONGEST_SOCKET = 107;

/**
 * The sockets of agents, by their ids.
 *
 * @param sockets paths, or 'default' for what SSH_AUTH_SOCK names
 * @throws NacelleError `ERR_INVALID_OPTION` for one where no socket is
 */
export function agentSockets(sockets: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(sockets).map(([id, path]) => [id, agentSocket(path, `ssh.${id}`)]));
}

function agentSocket(given: string, option: string): string {
  const path = given === 'default' ? process.env.SSH_AUTH_SOCK : given;
  if (!path) throw invalidOption(option, 'the environment has no SSH_AUTH_SOCK');
  if (Buffer.byteLength(path) > LONGEST_SOCKET) throw invalidOption(option, `the path of a socket has at most ${LONGEST_SOCKET} bytes`);
  if (!statusOf(path, option).isSocket()) throw invalidOption(option, `${JSON.stringify(path)} is no socket`);
  return path;
}

function statusOf(path: string, option: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw invalidOption(option, `${JSON.stringify(path)}: ${wordsOf(error)}`, error);
  }
}
