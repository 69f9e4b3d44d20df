import * as z from 'zod';
import { ImageError } from '../../errors.js';
import { now } from '../../native/clock.js';
import { type Challenge, parseChallenges } from './challenge.js';
import { storedCredentials } from './credentials.js';
import { failureOf } from './registry-failure.js';
import type { RegistryAuth, RegistrySettings } from './settings.js';
import { nameOf, readAll, type Transport } from './transport.js';

/** What an answer of a token server says (distribution's token specification). */
const tokenAnswer = z.looseObject({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  /** Seconds. */
  expires_in: z.number().min(0).nullish(),
});
const MAX_ANSWER = 1024 * 1024;

/** Seconds for which a token is good when the server says nothing else. */
const DEFAULT_LIFE = 60;
/** A token is not used any more so many ms before its end: a request takes time to arrive. */
const MARGIN = 5000;

interface Known {
  readonly header: string;
  /** ms since the epoch. */
  readonly until: number;
}

/** Authenticates to one server: by tokens for a scope, or by name and password. Credentials are looked up when the server first asks. */
export class Authorizer {
  readonly #registry: string;
  readonly #transport: Transport;
  readonly #given: RegistryAuth | undefined;
  readonly #signal: AbortSignal | undefined;
  #credentials: Promise<RegistryAuth | null> | undefined;
  /** The Authorization that is known to be good, by scope. */
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<void>>();

  /** @param settings.auth instead of what docker's configuration has for the registry */
  constructor(registry: string, transport: Transport, { auth, signal }: Pick<RegistrySettings, 'auth' | 'signal'>) {
    this.#registry = registry;
    this.#transport = transport;
    this.#given = auth;
    this.#signal = signal;
  }

  /** The Authorization that is known to be good for a scope, or `null`. */
  header(scope: string): string | null {
    if (this.#given && 'token' in this.#given) return `Bearer ${this.#given.token}`;
    const known = this.#known.get(scope);
    return known && now() < known.until ? known.header : null;
  }

  /**
   * To be called after an answer 401: gets what the server asks for. Requests that fail together ask once.
   *
   * @returns `false` when there is no other Authorization than `used`
   */
  async renew(used: string | null, scope: string, wwwAuthenticate: string | readonly string[] | undefined): Promise<boolean> {
    const isNew = (): boolean => ![null, used].includes(this.header(scope));
    if (isNew()) return true;
    const running = this.#underWay.get(scope);
    if (running) await running;
    else {
      this.#known.delete(scope);
      const asking = this.#ask(scope, parseChallenges(wwwAuthenticate)).finally(() => this.#underWay.delete(scope));
      this.#underWay.set(scope, asking);
      await asking;
    }
    return isNew();
  }

  async #ask(scope: string, challenges: readonly Challenge[]): Promise<void> {
    this.#credentials ??= this.#given ? Promise.resolve(this.#given) : storedCredentials(this.#registry, { signal: this.#signal });
    const credentials = await this.#credentials;
    if (credentials && 'token' in credentials) {
      this.#known.set(scope, { header: `Bearer ${credentials.token}`, until: Number.POSITIVE_INFINITY });
      return;
    }
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer) {
      this.#known.set(scope, await this.#token(bearer, scope, credentials));
    } else if (challenges.some(({ scheme }) => scheme === 'basic') && credentials && 'username' in credentials) {
      this.#known.set(scope, { header: basic(credentials), until: Number.POSITIVE_INFINITY });
    }
  }

  async #token({ parameters }: Challenge, scope: string, credentials: RegistryAuth | null): Promise<Known> {
    const { realm = '', service } = parameters;
    if (!URL.canParse(realm)) throw new ImageError(`ask ${this.#registry} for a token: it names ${JSON.stringify(realm)} as the place`);
    const url = new URL(realm);
    const what = `ask ${nameOf(url)} for a token`;
    const answer = await this.#transport.request(
      credentials && 'identityToken' in credentials
        ? refresh(url, { service, scope, token: credentials.identityToken })
        : get(url, { service, scope, credentials }),
    );
    if (answer.status !== 200) throw await failureOf(answer, credentials ? `${what}, with the credentials for ${this.#registry}` : what);
    const { token, life } = parseToken(await readAll(answer.body, MAX_ANSWER, 'the answer'), what);
    return { header: `Bearer ${token}`, until: now() + Math.max(life * 1000 - MARGIN, MARGIN) };
  }
}

interface Wanted {
  readonly service: string | undefined;
  readonly scope: string;
}

function get(url: URL, { service, scope, credentials }: Wanted & { credentials: RegistryAuth | null }) {
  const asked = new URL(url);
  if (service !== undefined) asked.searchParams.set('service', service);
  for (const part of scope.split(' ')) asked.searchParams.append('scope', part);
  const authorization = credentials && 'username' in credentials ? basic(credentials) : null;
  if (credentials && 'username' in credentials) asked.searchParams.set('account', credentials.username);
  return { method: 'GET', url: asked, authorization } as const;
}

function refresh(url: URL, { service = '', scope, token }: Wanted & { token: string }) {
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, service, scope, client_id: 'nacelle' });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url, headers, body: Buffer.from(form.toString()) } as const;
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function parseToken(bytes: Buffer, what: string): { token: string; life: number } {
  try {
    const { token, access_token, expires_in } = tokenAnswer.parse(JSON.parse(bytes.toString()));
    const found = token || access_token;
    if (found && !/[^\x21-\x7e]/.test(found)) return { token: found, life: expires_in || DEFAULT_LIFE };
  } catch {
    // the error has no cause, for that would quote the answer
  }
  throw new ImageError(`${what}: the answer has none`);
}
