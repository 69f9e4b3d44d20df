import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, type Stats, statSync } from 'node:fs';
import { release } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { doAll, hasCode, invalidOption, NacelleError, toError } from '../../errors.js';
import { Namespace } from '../../namespace/namespace.js';
import { attempt } from '../../native/system-errors.js';
import { checkedConfig } from '../../oci-config/checked-config.js';
import type { BundleConfig } from '../../oci-config/config-schema.js';
import { exactJson } from '../../oci-config/exact-json.js';
import { namedCapabilities } from '../../oci-config/named-capabilities.js';
import { namespaceTypeOf } from '../../oci-config/namespace-names.js';
import { refuse, wrongField } from '../../oci-config/refused.js';
import { absolutePath } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { bundleProfile } from '../../security/oci-profile/bundle-profile.js';
import { defaultDocument, profileDocument } from '../../security/oci-profile/profile-document.js';
import { ownArchitecture } from '../../security/own-architecture.js';
import { parseRunOptions } from '../options/container-options.js';
import type { ContainerOptions } from '../options/container-types.js';
import { type ConfigFacts, optionsOfConfig } from './options-of-config.js';

/** Bytes of config.json, far more than any has. */
const MOST = 10 * 1024 ** 2;

/**
 * A bundle as options of a container. Namespaces that config.json gives by a path are opened for the caller; after a failure none is left open.
 *
 * @throws as `Container.fromBundle`
 */
export async function readBundle(path: unknown): Promise<ContainerOptions> {
  const bundle = resolve(parseOptions(absolutePath, typeof path === 'string' ? resolve(path) : path, 'path'));
  const file = join(bundle, 'config.json');
  const config = checkedConfig(file, exactJson(file, readBounded(file)));
  const { mask: capabilities } = namedCapabilities(config.process?.capabilities?.bounding);
  const seccomp = seccompOf(config, capabilities);
  const namespaces = new Map<NamespaceType, Namespace>();
  try {
    await openNamespaces(config, namespaces);
    const options = optionsOfConfig(config, { bundle, namespaces, findDevice, seccomp });
    checkWhole(file, options);
    return options;
  } catch (error) {
    await doAll([...namespaces.values()].map((namespace) => () => namespace.close()));
    throw error;
  }
}

/** What options refuse that the schema of config.json lets pass, such as a limit below the kernel's least. */
function checkWhole(file: string, options: ContainerOptions): void {
  try {
    parseRunOptions(options);
  } catch (cause) {
    if (hasCode(cause, 'ERR_UNSUPPORTED')) throw cause;
    throw new NacelleError(`${file}, as options of a container: ${toError(cause).message}`, { code: 'ERR_INVALID_OPTION', cause });
  }
}

/** The text of a regular file that is no link: whoever made the bundle can't have another file read, or a named pipe waited for. */
function readBounded(path: string): string {
  const fd = attempt(`read ${path}`, () =>
    openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY),
  );
  try {
    const status = attempt(`read ${path}`, () => fstatSync(fd));
    if (!status.isFile()) throw invalidOption('path', `${path} is no regular file`);
    const bytes = Buffer.alloc(MOST + 1);
    let size = 0;
    for (let read = -1; read !== 0 && size <= MOST; size += read)
      read = attempt(`read ${path}`, () => readSync(fd, bytes, size, bytes.length - size, null));
    if (size > MOST) throw invalidOption('path', `${path} has more than ${MOST} bytes`);
    return decoded(path, bytes.subarray(0, size));
  } finally {
    closeSync(fd);
  }
}

function decoded(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalidOption('path', `${path} is no UTF-8`, cause);
  }
}

/** The filter: 'default' for nacelle's own, as `Container.toBundle` writes it. */
function seccompOf({ linux }: BundleConfig, capabilities: CapabilityMask): ConfigFacts['seccomp'] {
  if (linux?.seccomp === undefined) return null;
  const profile = bundleProfile(linux.seccomp);
  if (profile.notifies) refuse('linux.seccomp', 'nobody is told of calls (SCMP_ACT_NOTIFY)', 'Use the option onDenied.');
  const subject = { arch: ownArchitecture(), capabilities, kernel: release() };
  const document = profileDocument(profile, subject);
  return isDeepStrictEqual(document, defaultDocument(subject)) ? 'default' : document;
}

async function openNamespaces({ linux }: BundleConfig, opened: Map<NamespaceType, Namespace>): Promise<void> {
  for (const [index, { type, path }] of (linux?.namespaces ?? []).entries()) {
    if (!path) continue;
    const field = `linux.namespaces[${index}]`;
    if (type === 'mount') refuse(field, 'a container has a mount namespace of its own');
    const wanted = namespaceTypeOf[type];
    const namespace = await Namespace.open(path);
    if (namespace.type !== wanted) {
      await namespace.close();
      throw wrongField(`${field}.path`, `is a namespace of the type ${namespace.type}: ${path}`);
    }
    opened.set(wanted, namespace);
  }
}

/** A device of this machine by its numbers: at the path that it is to have, or where the kernel's own name for it is. */
const findDevice: ConfigFacts['findDevice'] = ({ type, major, minor, path }) => {
  const isIt = (status: Stats | undefined): boolean => {
    if (status === undefined || (type === 'b' ? !status.isBlockDevice() : !status.isCharacterDevice())) return false;
    const device = BigInt(status.rdev);
    // makedev(3) of glibc
    const numbers = [((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n), (device & 0xffn) | ((device >> 12n) & 0xffffff00n)];
    return numbers[0] === BigInt(major) && numbers[1] === BigInt(minor);
  };
  for (const candidate of [path, deviceName(type, `${major}:${minor}`)]) {
    if (candidate === null) continue;
    const status = attempt(`look up ${candidate} for linux.devices`, () => statSync(candidate, { throwIfNoEntry: false }));
    if (status !== undefined && isIt(status)) return { path: candidate, mode: status.mode & 0o777 };
  }
  return null;
};

function deviceName(type: 'b' | 'c', numbers: string): string | null {
  const path = `/sys/dev/${type === 'b' ? 'block' : 'char'}/${numbers}/uevent`;
  try {
    const name = /^DEVNAME=(.+)$/m.exec(readFileSync(path, 'utf8'))?.[1];
    return name === undefined ? null : join('/dev', name);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
