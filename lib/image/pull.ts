import { Readable } from 'node:stream';
import { ImageError, UnsupportedError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
import { privilege } from '../host/privilege.js';
import { wordsOf } from '../native/system-errors.js';
import { digestOf, parseDigest } from './formats/digest.js';
import {
  checkConfigType,
  checkManifest,
  type Descriptor,
  isIndex,
  isManifest,
  MAX_JSON,
  mediaTypeOf,
  parseConfig,
  parseIndex,
  parseManifest,
} from './formats/image-documents.js';
import { currentPlatform, type Platform, platformName, runsOn, selectPlatform } from './formats/platform.js';
import { formatReference, type RegistryReference } from './formats/reference.js';
import { type ParsedPull, registrySettings } from './image-options.js';
import { addImage } from './layers/add-image.js';
import { endpointOf, mirrorOf } from './registry/endpoint.js';
import { type FetchedManifest, Repository } from './registry/repository.js';
import { readAll } from './registry/transport.js';

/** Levels of indexes in indexes: no real image has more. */
const MAX_DEPTH = 4;

/**
 * Brings an image from its registry, or a mirror of it, into the store.
 *
 * @param isNamed `false`: it doesn't get the name there
 * @returns the digest of the platform's manifest
 * @throws ImageError when it isn't there, may not be had, or is not what its digests say; the signal's reason
 */
export async function pull(reference: RegistryReference, options: ParsedPull, isNamed = true): Promise<string> {
  const name = formatReference(reference);
  const settings = registrySettings(options);
  // a wrong mirror is an error before anything is asked for
  const mirrors = options.mirrors.map((mirror) => mirrorOf(mirror, reference));
  const servers: Repository[] = [];
  try {
    // a mirror's server is there to fall back on: so a mirror is not waited for long, and gets no other server's password
    for (const mirror of mirrors)
      servers.push(await Repository.open(mirror, { ...settings, auth: undefined, retries: Math.min(settings.retries, 1) }, 'pull'));
    servers.push(await Repository.open(endpointOf(reference), settings, 'pull'));
    const image = await resolve(servers, reference, options);
    const documents = new Map([image.document, image.settings].map(({ descriptor, bytes }) => [descriptor.digest, bytes]));
    // a blob with wrong bytes is asked of the registry itself then, whichever mirror it came from
    const mistrusted = new Set<string>();
    const mistrust = ({ digest }: Descriptor): boolean => {
      if (servers.length === 1 || mistrusted.has(digest)) return false;
      mistrusted.add(digest);
      return true;
    };
    const openBlob = (blob: Descriptor, from: number, signal: AbortSignal): Readable => {
      const bytes = documents.get(blob.digest);
      if (bytes) return Readable.from([bytes.subarray(from)]);
      return blobFrom(mistrusted.has(blob.digest) ? servers.slice(-1) : servers, { blob, from, signal });
    };
    const { cancelSignal: signal, unpack = await canUnpack(), ...rest } = options;
    await addImage(
      isNamed ? name : null,
      { ...image, descriptor: image.document.descriptor, openBlob, mistrust },
      { ...rest, unpack, signal },
    );
    return image.document.descriptor.digest;
  } catch (error) {
    options.cancelSignal?.throwIfAborted();
    if (error instanceof ImageError || error instanceof UnsupportedError) throw error;
    throw new ImageError(`pull ${name}: ${wordsOf(error) || 'no connection'}`, {
      reference: name,
      cause: error,
    });
  } finally {
    for (const server of servers) await server.close();
  }
}

/** The platform's manifest and its config, verified. */
async function resolve(servers: readonly Repository[], { tag, digest }: RegistryReference, { platform }: ParsedPull) {
  const wanted: Platform = platform ?? currentPlatform();
  let document = await manifestFrom(servers, digest ?? tag ?? 'latest');
  // what an index says of the platform is believed, for configs are wrong about it more often
  let saysPlatform = false;
  for (let depth = 0; isIndex(document.descriptor); depth++) {
    const { digest: index } = document.descriptor;
    const { manifests } = parseIndex(document.bytes, `index ${index}`);
    const chosen = depth < MAX_DEPTH ? selectPlatform(manifests, wanted) : undefined;
    if (!chosen)
      throw new ImageError(`index ${index} has no image for ${platformName(wanted)}: it has ${platformsOf(manifests)}`, { digest: index });
    saysPlatform = chosen.platform != null;
    document = await manifestFrom(servers, chosen.digest, chosen.mediaType);
    if (document.bytes.length !== chosen.size)
      throw new ImageError(`manifest ${chosen.digest} has ${document.bytes.length} bytes where its descriptor says ${chosen.size}`, {
        digest: chosen.digest,
      });
  }
  const { descriptor } = document;
  if (!isManifest(descriptor))
    throw new ImageError(`${descriptor.digest} has the media type ${JSON.stringify(descriptor.mediaType)}, which is no image's`, {
      digest: descriptor.digest,
    });
  const manifest = parseManifest(document.bytes, `manifest ${descriptor.digest}`);
  checkConfigType(manifest);
  const settings = { descriptor: manifest.config, bytes: await documentFrom(servers, manifest.config) };
  const config = parseConfig(settings.bytes, `config ${manifest.config.digest}`);
  checkManifest(manifest, config);
  if (!saysPlatform && !runsOn(config, wanted)) {
    const { os = '', architecture = '', variant } = config;
    const has = platformName({ os, architecture, variant });
    throw new ImageError(`the image is for ${has}, not for ${platformName(wanted)}: the option platform: '${has}' takes it all the same`, {
      digest: descriptor.digest,
    });
  }
  return { document, settings, manifest, config };
}

/** @param expected the media type that an index says */
async function manifestFrom(servers: readonly Repository[], reference: string, expected?: string): Promise<FetchedManifest> {
  const { descriptor, bytes } = await fromAny(servers, (server) => server.manifest(reference));
  const what = `manifest ${descriptor.digest}`;
  const mediaType = mediaTypeOf(bytes, descriptor.mediaType, what);
  if (expected) mediaTypeOf(bytes, expected, what);
  return { descriptor: { ...descriptor, mediaType }, bytes };
}

/** Reads a small blob. */
async function documentFrom(servers: readonly Repository[], blob: Descriptor): Promise<Buffer> {
  if (blob.size > MAX_JSON) throw new ImageError(`config ${blob.digest} is larger than ${MAX_JSON} bytes`, { digest: blob.digest });
  return fromAny(servers, async (server) => {
    const bytes = await readAll(server.blob(blob), blob.size, `config ${blob.digest}`);
    const found = digestOf(bytes, parseDigest(blob.digest).algorithm);
    if (found === blob.digest) return bytes;
    throw new ImageError(`config ${blob.digest} is damaged or forged: its bytes have the digest ${found}`, { digest: blob.digest });
  });
}

/** The answer of the first server that has it, or the last server's failure. */
async function fromAny<T>(servers: readonly Repository[], ask: (server: Repository) => Promise<T>): Promise<T> {
  for (const server of servers.slice(0, -1)) {
    try {
      return await ask(server);
    } catch {
      // the next server is asked for what a mirror can't give
      server.policy.signal?.throwIfAborted();
    }
  }
  const last = servers.at(-1);
  if (!last) throw new TypeError('no server to ask');
  return ask(last);
}

/** A blob's bytes: where one server fails, the next one goes on. */
function blobFrom(
  servers: readonly Repository[],
  { blob, from, signal }: { readonly blob: Descriptor; readonly from: number; readonly signal: AbortSignal },
): Readable {
  let at = from;
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for (const [index, server] of servers.entries()) {
      try {
        for await (const chunk of server.blob(blob, at, signal) as AsyncIterable<Buffer>) {
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (index === servers.length - 1) throw error;
      }
    }
  };
  return Readable.from(bytes(), { objectMode: false });
}

function platformsOf(manifests: readonly Descriptor[]): string {
  const names = manifests.flatMap(({ platform }) => (platform && platform.os !== 'unknown' ? [platformName(platform)] : []));
  return names.length === 0 ? 'none' : [...new Set(names)].slice(0, 20).join(', ');
}

/** Whether layers can be unpacked here, whatever owners they have. */
async function canUnpack(): Promise<boolean> {
  const own = privilege();
  if (own.kind === 'root') return true;
  if (own.whyOne !== null) return false;
  try {
    await containerShim();
    return true;
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}
