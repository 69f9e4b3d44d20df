import * as z from 'zod';
import { invalidOption } from '../errors.js';
import { abortSignal, bytes, date, duration } from '../options/common-schemas.js';
import type { ProgressListener } from '../options/progress.js';
import { type Size, sizeSchema } from '../options/size.js';
import type { ImageConfig } from './formats/image-config.js';
import { parsePlatform } from './formats/platform.js';
import { formatReference, parseRegistryName } from './formats/reference.js';
import { parseStopSignal } from './formats/stop-signal.js';
import { type UnpackLimits, unpackLimits } from './formats/unpack-limits.js';
import type { RegistryAuth, RegistrySettings } from './registry/settings.js';

/** Options of calls that may unpack layers. */
export interface UnpackingOptions {
  /** Limits of each layer when it is unpacked: {@link UnpackLimits} has the defaults. */
  limits?: UnpackLimits | undefined;
}

export interface OpenOptions extends UnpackingOptions {
  /**
   * The platform that the image has to be for: 'linux/arm64', 'linux/arm/v7', 'arm64'. Of an image for several it is that one alone. Default: of an image for
   * several this machine's, or in the store the first where it has none, and else whatever the image is for.
   */
  platform?: string | undefined;
}

/** Options of calls that take time. */
export interface TransferOptions {
  onProgress?: ProgressListener | undefined;
  /** Its abort ends the call, which rejects with the signal's reason. */
  cancelSignal?: AbortSignal | undefined;
}

/** The limits also hold for a compressed archive as a whole. */
export interface LoadOptions extends TransferOptions, UnpackingOptions {
  /** The image's name in the store, as 'app:1', whatever the source calls it. Default: the names that the source has. */
  reference?: string | undefined;
}

/** How a registry is spoken to. */
export interface RegistryOptions extends TransferOptions {
  /**
   * Credentials. Default: what docker's config.json ($DOCKER_CONFIG or ~/.docker) has for the registry, in `auths` or by a credential
   * helper; where it has nothing, none are sent.
   */
  auth?: RegistryAuth | undefined;
  /**
   * Accept a certificate that can't be checked, and plain HTTP where the registry speaks no TLS. Default: false; a registry on loopback may
   * speak plain HTTP anyway.
   */
  insecure?: boolean | undefined;
  /** Certificates (PEM) of authorities that are trusted beside Node's own. */
  ca?: string | Uint8Array | undefined;
  /** After so many ms without a byte, or before an answer begins, a request has failed. Default 60,000. */
  timeout?: number | undefined;
  /** How often a request is made again that failed for a temporary reason: no connection, 429, 5xx. Default 5. */
  retries?: number | undefined;
  /** How many layers travel at a time. Default 3. */
  parallel?: number | undefined;
}

export interface PullOptions extends RegistryOptions, UnpackingOptions {
  /**
   * The platform to pull of an image for several: 'linux/arm64', 'linux/arm/v7', 'arm64'. Default: what Node runs on. A name means what was
   * pulled last under it, whatever its platform.
   */
  platform?: string | undefined;
  /**
   * Registries that are asked first, in this order: 'mirror.example:5000', with '/PREFIX' before the repository if need be. Each has its
   * own credentials.
   */
  mirrors?: readonly string[] | undefined;
  /**
   * Unpack the layers as they come, so that a first run need not do it. Default: true where they can be unpacked with whatever owners they have:
   * for root, and for a user with subordinate ids.
   */
  unpack?: boolean | undefined;
}

export interface PushOptions extends RegistryOptions {
  /** A blob larger than this travels in parts of this size, and goes on after a cut with the part that was cut. Default '64m'. */
  chunkSize?: Size | undefined;
}

export interface CommitOptions {
  /** The new image's name in the store, as 'app:1'. Default: none. */
  reference?: string | undefined;
  /**
   * How the new image is to be run. This takes precedence over what the container's image says: `env` and `labels` are added, all else
   * replaces what is there, with an empty value too; an `entrypoint` without a `cmd` drops the image's, as in a Dockerfile.
   */
  config?: ImageConfig | undefined;
  /** Who made the image: for its config and its history. Default: nobody is named. */
  author?: string | undefined;
  /** What was changed, for the history. Default: nothing is said. */
  comment?: string | undefined;
  /** Default: $SOURCE_DATE_EPOCH (seconds), else now. */
  created?: Date | undefined;
}

const listener = z.custom<ProgressListener>((value) => typeof value === 'function', 'must be a function');

const transfer = { onProgress: listener.optional(), cancelSignal: abortSignal.optional() };
const limitOptions = z.strictObject({ limits: unpackLimits });

export interface ImageMountOptions {
  /** Nothing can be written there: there is no upper folder. Default false: what is written is in memory. */
  readOnly?: boolean | undefined;
  /** Its abort ends the unpacking of layers; the call then rejects with the signal's reason, and nothing stays mounted. */
  cancelSignal?: AbortSignal | undefined;
}

export const mountOptions = z.strictObject({ readOnly: z.boolean().default(false), cancelSignal: abortSignal.optional() });

export const saveOptions = z.strictObject({ format: z.enum(['oci', 'docker']).default('oci') });

const text = z.string().min(1, 'must not be empty');
export const loadOptions = limitOptions.extend({ ...transfer, reference: text.optional() });
const auth = z.union(
  [
    z.strictObject({ username: text.refine((name) => !name.includes(':'), "must not have a ':'"), password: z.string() }),
    z.strictObject({ identityToken: text }),
    z.strictObject({ token: text.refine((token) => !/[\r\n\0]/.test(token), 'must be one line') }),
  ],
  { error: 'must be { username, password }, { identityToken } or { token }' },
);

const registry = {
  ...transfer,
  auth: auth.optional(),
  insecure: z.boolean().default(false),
  ca: z
    .union([z.string(), bytes])
    .transform((pem) => Buffer.from(pem).toString())
    .refine((pem) => pem.includes('-----BEGIN CERTIFICATE-----'), 'must be certificates in PEM')
    .optional(),
  timeout: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(60_000),
  retries: z.int().min(0).max(100).default(5),
  parallel: z.int().min(1).max(64).default(3),
};

export const platform = z.string().transform((value, context) => {
  const parsed = parsePlatform(value);
  if (parsed) return parsed;
  context.addIssue("must be 'OS/ARCHITECTURE' or 'OS/ARCHITECTURE/VARIANT', as 'linux/arm64' is");
  return z.NEVER;
});

export const openOptions = limitOptions.extend({ platform: platform.optional() });
export const pullOptions = limitOptions.extend({
  ...registry,
  platform: platform.optional(),
  mirrors: z.array(text).default([]),
  unpack: z.boolean().optional(),
});
export const pushOptions = z.strictObject({ ...registry, chunkSize: sizeSchema(1024).default(64 * 1024 ** 2) });

const words = z.array(z.string().refine((word) => !word.includes('\0'), 'must have no NUL byte'));
const line = z.string().refine((word) => !/[\0\n]/.test(word), 'must be one line');
export const imageConfigSchema = z.strictObject({
  env: z.record(z.string().regex(/^[^=\0]+$/, "must be a name without '='"), z.string()).optional(),
  cmd: words.optional(),
  entrypoint: words.optional(),
  workingDir: line.refine((path) => path === '' || path.startsWith('/'), 'must be an absolute path').optional(),
  user: line.optional(),
  exposedPorts: z.array(z.string().regex(/^\d+(?:-\d+)?(?:\/(?:tcp|udp|sctp))?$/, "must be as '80/tcp'")).optional(),
  volumes: z.array(line.refine((path) => path.startsWith('/'), 'must be an absolute path')).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  stopSignal: line
    .refine((text) => text === '' || parseStopSignal(text) !== null, "must be a signal's name or number, as 'SIGQUIT' is")
    .optional(),
  healthcheck: z
    .strictObject({
      test: words.optional(),
      interval: duration.optional(),
      timeout: duration.optional(),
      startPeriod: duration.optional(),
      startInterval: duration.optional(),
      retries: z.int().min(0).optional(),
    })
    .optional(),
});
export const commitOptions = z.strictObject({
  reference: text.optional(),
  config: imageConfigSchema.default({}),
  author: line.optional(),
  comment: z.string().optional(),
  created: date.optional(),
});

export type ParsedCommit = z.output<typeof commitOptions>;
export type ParsedOpen = z.output<typeof openOptions>;
export type ParsedPull = z.output<typeof pullOptions>;
export type ParsedPush = z.output<typeof pushOptions>;

/** The options that the registry's client needs. */
export function registrySettings({ auth, insecure, ca, timeout, retries, cancelSignal }: ParsedPull | ParsedPush): RegistrySettings {
  return { auth, insecure, ca, timeout, retries, signal: cancelSignal };
}

/** A name that can be given. @throws NacelleError `ERR_INVALID_OPTION` */
export function nameOf(reference: string): string {
  const name = parseRegistryName(reference);
  if (name.digest === null) return formatReference(name);
  throw invalidOption('reference', `${JSON.stringify(reference)} has a digest, which is not given but follows from the bytes`);
}
