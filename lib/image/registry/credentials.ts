import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { hasCode, ImageError } from '../../errors.js';
import { parseJson } from '../formats/json.js';
import { readSmall } from '../formats/read-small.js';

import type { RegistryAuth } from './settings.js';

/** The part of docker's config.json that has credentials (docs.docker.com/reference/cli/docker/login). */
const schema = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({
        /** base64 of 'name:password'. */
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
        registrytoken: z.string().optional(),
      }),
    )
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type DockerConfig = z.infer<typeof schema>;
type Auth = NonNullable<DockerConfig['auths']>[string];

/** The server that docker.io's credentials are kept under. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** ms for a helper, which may wait for somebody at a screen. */
const HELPER_TIMEOUT = 60_000;

/**
 * The credentials that docker has for a registry: from a credential helper where the config names one, else from `auths`. `null`: there are
 * none.
 *
 * @throws ImageError when the config or a helper's answer can't be read, or the helper isn't there; the signal's reason
 */
export async function storedCredentials(
  registry: string,
  { env = process.env, signal }: { readonly env?: NodeJS.ProcessEnv; readonly signal?: AbortSignal | undefined } = {},
): Promise<RegistryAuth | null> {
  const path = join(env.DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
  const config = await readConfig(path);
  if (!config) return null;
  const keys = registry === 'docker.io' ? [DOCKER_HUB, 'docker.io', 'index.docker.io'] : [registry];
  const helper = keys.map((key) => config.credHelpers?.[key]).find(Boolean) ?? config.credsStore;
  const [server = registry] = keys;
  return (helper ? await askHelper(helper, { server, path, signal }) : null) ?? inAuths(config.auths ?? {}, keys, path);
}

async function readConfig(path: string): Promise<DockerConfig | null> {
  const what = `read the credentials: ${path}`;
  const bytes = await readSmall(path, what).catch((error: unknown) => {
    if (error instanceof ImageError && hasCode(error.cause, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  });
  if (bytes === null) return null;
  try {
    return schema.parse(parseJson(bytes, what));
  } catch {
    // the error has no cause, for that would quote what is in the file
    throw new ImageError(`read the credentials in ${path}: it is no configuration of docker's`);
  }
}

function inAuths(auths: NonNullable<DockerConfig['auths']>, keys: readonly string[], path: string): RegistryAuth | null {
  const name = keys.find((key) => auths[key]) ?? Object.keys(auths).find((key) => keys.includes(hostOf(key)));
  const auth = name === undefined ? undefined : auths[name];
  return auth ? credentialsIn(auth, `auths of ${name} in ${path}`) : null;
}

/** 'https://registry.example/v1/' is an old form of 'registry.example'. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function credentialsIn({ auth, username, password, identitytoken, registrytoken }: Auth, what: string): RegistryAuth | null {
  if (identitytoken) return { identityToken: identitytoken };
  if (registrytoken) return { token: registrytoken };
  if (!auth) return username ? { username, password: password ?? '' } : null;
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon < 1) throw new ImageError(`${what}: auth is no base64 of 'name:password'`);
  // docker pads with NUL
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}

const answer = z.looseObject({ Username: z.string(), Secret: z.string() });

/** Asks a credential helper by `docker-credential-NAME get`: the server on stdin, JSON on stdout. */
async function askHelper(
  name: string,
  { server, path, signal }: { readonly server: string; readonly path: string; readonly signal: AbortSignal | undefined },
): Promise<RegistryAuth | null> {
  if (!/^[\w.-]+$/.test(name)) throw new ImageError(`${path} names the credential helper ${JSON.stringify(name)}, which is no name`);
  const program = `docker-credential-${name}`;
  const { stdout, error } = await runHelper(program, server, signal);
  signal?.throwIfAborted();
  if (error && /credentials not found/i.test(stdout)) return null;
  if (error) {
    // an output that may be an answer, with its secret, is never quoted
    const said = stdout.includes('{')
      ? ''
      : stdout
          .replace(/[^\x20-\x7e]+/g, ' ')
          .trim()
          .slice(0, 200);
    const problem = hasCode(error, 'ENOENT') ? 'it is not in PATH' : said || 'it failed';
    throw new ImageError(`ask ${program}, which ${path} names, for the credentials of ${server}: ${problem}`, { cause: error });
  }
  const parsed = parsedAnswer(stdout);
  if (!parsed) throw new ImageError(`ask ${program}, which ${path} names, for the credentials of ${server}: its answer is no credentials`);
  const { Username: username, Secret: secret } = parsed;
  if (username === '<token>') return { identityToken: secret };
  return username === '' && secret === '' ? null : { username, password: secret };
}

function parsedAnswer(text: string): z.infer<typeof answer> | null {
  try {
    return answer.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function runHelper(program: string, input: string, signal: AbortSignal | undefined): Promise<{ stdout: string; error: Error | null }> {
  return new Promise((resolve) => {
    const options = { timeout: HELPER_TIMEOUT, killSignal: 'SIGKILL' as const, maxBuffer: 1024 * 1024, ...(signal ? { signal } : {}) };
    const child = execFile(program, ['get'], options, (error, stdout) => resolve({ stdout, error }));
    // a helper that isn't there, or reads nothing, fails here: its end tells why
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${input}\n`);
  });
}
