import { isIPv6 } from 'node:net';
import { ImageError, invalidOption } from '../../errors.js';
import { isDigest } from './digest.js';

/** An image's name, taken apart. */
export type Reference =
  | { readonly kind: 'host' }
  | { readonly kind: 'dir'; readonly path: string }
  /**
   * An OCI image layout folder, and the tag after a colon; without a tag it must hold one image. Only a look at the disk tells where the
   * folder ends.
   */
  | { readonly kind: 'oci'; readonly location: string }
  | { readonly kind: 'docker-archive'; readonly path: string }
  | DigestReference
  | RegistryReference;

/** An image in the store, by its own or its config's digest. */
export interface DigestReference {
  readonly kind: 'digest';
  readonly digest: string;
}

export interface RegistryReference {
  readonly kind: 'registry';
  /** Host name or address, with the port: 'docker.io', '[::1]:5000'. */
  readonly registry: string;
  /** 'library/alpine'. */
  readonly repository: string;
  /** 'latest' when neither tag nor digest is given. */
  readonly tag: string | null;
  readonly digest: string | null;
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const HOST = /^(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*$/;

/** Prefixes of other tools, with our way to say what they mean. */
const FOREIGN_TRANSPORTS: readonly (readonly [prefix: string, hint: string])[] = [
  ['docker://', "a registry's image is named without 'docker://'"],
  ['oci-archive:', 'an archive is brought into the store by Image.load'],
  ['containers-storage:', "podman's store is not read: 'podman save' and Image.load bring an image over"],
  ['docker-daemon:', "docker's store is not read: 'docker save' and Image.load bring an image over"],
];

/** The default registry has two old names; both mean 'docker.io'. */
const DOCKER_HUB = new Set(['index.docker.io', 'registry-1.docker.io']);

/**
 * Reads a reference: 'host', 'dir:PATH', 'oci:DIR[:TAG]', 'docker-archive:FILE', 'sha256:HEX', or a name as docker reads it
 * (github.com/distribution/reference): 'alpine' is 'docker.io/library/alpine:latest'. The first part is a registry when it
 * has a dot, a colon or an upper-case letter, or is 'localhost'.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function parseReference(text: string, option = 'image'): Reference {
  const fail = (problem: string): never => {
    throw invalidOption(option, `${JSON.stringify(text.slice(0, 300))} is no image reference: ${problem}`);
  };
  if (text === '') fail('it is empty');
  if (text.includes('\0')) fail('it has a NUL byte');
  if (text === 'host') return { kind: 'host' };
  if (isDigest(text)) return { kind: 'digest', digest: text };
  if (/^[0-9a-f]{64}$/.test(text)) fail(`a digest begins with its algorithm: 'sha256:${text}'`);
  if (/^(?:sha256|sha512):[0-9a-f]*$/.test(text)) fail('a digest is given in full: sha256 has 64 hexadecimal digits, sha512 has 128');
  if (/^(?:\.{1,2}|~)?\//.test(text))
    fail(`a folder is named 'dir:${text.slice(0, 300)}', an archive 'docker-archive:${text.slice(0, 300)}'`);
  const foreign = FOREIGN_TRANSPORTS.find(([prefix]) => text.startsWith(prefix));
  if (foreign) fail(foreign[1]);
  const [, transport, path] = /^(dir|oci|docker-archive):(.*)$/s.exec(text) ?? [];
  if (transport !== undefined && path !== undefined && !isPort(path)) {
    if (path === '') fail(`nothing follows '${transport}:'`);
    if (transport === 'dir') return { kind: 'dir', path };
    if (transport === 'docker-archive') return { kind: 'docker-archive', path };
    if (path.startsWith(':')) fail("a folder must stand between 'oci:' and the tag");
    if (path.endsWith(':')) fail('the tag is empty');
    return { kind: 'oci', location: path };
  }
  return parseName(text, fail);
}

/** 'oci:5000/name' is a registry on a port; a folder of that name is 'oci:./5000/name'. */
function isPort(path: string): boolean {
  return /^\d+\//.test(path);
}

function parseName(text: string, fail: (problem: string) => never): RegistryReference {
  const at = text.indexOf('@');
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !isDigest(digest)) return fail("after '@' must come 'sha256:' and 64 hexadecimal digits (or sha512 and 128)");
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const isRegistry = first !== '' && (/[.:A-Z]/.test(first) || first === 'localhost');
  const rest = isRegistry ? named.slice(slash + 1) : named;
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? null : rest.slice(colon + 1);
  if (tag !== null && !TAG.test(tag))
    return fail(`${JSON.stringify(tag)} is no tag: at most 128 of A-Z a-z 0-9 _ . -, not starting with . or -`);
  const registry = isRegistry ? parseRegistry(first, fail) : 'docker.io';
  for (const component of path.split('/')) {
    if (!COMPONENT.test(component)) {
      return fail(`${JSON.stringify(component)} is no part of a name: lower-case letters and digits, with . _ __ or - between them`);
    }
  }
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (repository.length > 255) return fail('the name is longer than 255 characters');
  return { kind: 'registry', registry, repository, tag: tag ?? (digest === null ? 'latest' : null), digest };
}

function parseRegistry(text: string, fail: (problem: string) => never): string {
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? [];
  const valid = host.startsWith('[') ? isIPv6(host.slice(1, -1)) && !host.includes('%') : HOST.test(host);
  if (!valid)
    return fail(`${JSON.stringify(text)} is no registry: a host name, an IPv4 address or [an IPv6 address], with :PORT if need be`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return fail(`port ${port} is not between 1 and 65535`);
  return DOCKER_HUB.has(text) ? 'docker.io' : text;
}

/** The reference in full: parsing it again gives the same. */
export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case 'host':
      return 'host';
    case 'dir':
    case 'docker-archive':
      return `${reference.kind}:${reference.path}`;
    case 'digest':
      return reference.digest;
    case 'oci':
      return `oci:${reference.location}`;
    case 'registry': {
      const { registry, repository, tag, digest } = reference;
      return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
    }
  }
}

/**
 * The full form of a name that an archive or a layout has in it: 'busybox' is 'docker.io/library/busybox:latest'. @throws ImageError when
 * it is none
 */
export function nameIn(path: string, name: string): string {
  try {
    return formatReference(parseRegistryName(name));
  } catch (cause) {
    throw new ImageError(
      `${path} names an image ${JSON.stringify(name.slice(0, 300))}, which is no name: Image.load takes another as reference`,
      {
        cause,
      },
    );
  }
}

/**
 * Checks that a source has one image, for a name that is given, or none, is for one. To be called before anything is brought. @throws
 * ImageError
 */
export function requireOne(path: string, count: number, reference: string | null): void {
  if (count === 1) return;
  const hint = reference === null ? 'load it, and open one by its name' : `${reference} can name one`;
  throw new ImageError(`${path} has ${count} images: ${hint}`, { reference });
}

/** The name of something in a registry, or in the store. @throws NacelleError `ERR_INVALID_OPTION` for other kinds of reference */
export function parseRegistryName(name: string, option = 'reference'): RegistryReference {
  const reference = parseReference(name, option);
  if (reference.kind === 'registry') return reference;
  throw invalidOption(option, `${JSON.stringify(name)} is no name of a registry's, as 'alpine' or 'localhost:5000/app:1' are`);
}
