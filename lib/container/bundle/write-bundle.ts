import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join, resolve } from 'node:path';
import { NacelleError, UnsupportedError } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import { Image } from '../../image/image.js';
import { attempting } from '../../native/system-errors.js';
import { configText } from '../../oci-config/config-text.js';
import { absolutePath } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import { CLONE } from '../../plan/constants.js';
import { idInside } from '../../plan/user-maps.js';
import { defaultDocument, profileDocument } from '../../security/oci-profile/profile-document.js';
import type { SeccompProfile } from '../../security/oci-profile/profile-types.js';
import { ownArchitecture } from '../../security/own-architecture.js';
import { freeFolder } from '../../store/output-place.js';
import { writtenAside } from '../../store/written-aside.js';
import { packTree, unpackInto } from '../../volume/volume-content.js';
import type { BundleFacts } from '../start/bundle-facts.js';
import type { ContainerRecord } from '../start/container-record.js';
import { type BundleUser, configOfContainer } from './config-of-container.js';
import type { Bundled } from './left-out.js';

/** The container that a bundle is written of. */
export interface BundleSource {
  readonly record: ContainerRecord;
  /** The image that it was made from, where this process has it. */
  readonly image: Image | null;
  /** Reads /proc/PID/status of the process that waits for its start, with the ids of the program; `null` where there is none. */
  readonly waitingStatus: (() => Promise<string>) | null;
}

/**
 * Writes a bundle. It appears under its name when it is whole; until then it has another name beside.
 *
 * @returns the options that it can't say
 * @throws as `container.toBundle`
 */
export async function writeBundle(path: unknown, source: BundleSource): Promise<{ left: string[] }> {
  const bundle = parseOptions(absolutePath, typeof path === 'string' ? resolve(path) : path, 'path');
  const record = bundled(source.record);
  const user = await userOf(record, source.waitingStatus);
  const seccomp = seccompOf(record.bundle, record.program.capabilities);
  const place = await freeFolder('path', bundle);
  const folder = record.options.rootfs;
  const { config, left } = configOfContainer({ record, user, seccomp, root: folder ?? 'rootfs' });
  await writtenAside(place, async (temporary) => {
    // the caller's alone: programs that are set-user-ID may be in there
    await attempting(`write ${bundle}`, () => mkdir(temporary, { mode: 0o700 }));
    if (folder === null) await writeRoot(join(temporary, 'rootfs'), await imageOf(source));
    await attempting(`write ${bundle}`, () => writeFile(join(temporary, 'config.json'), configText(config), { flag: 'wx', mode: 0o644 }));
  });
  return { left: [...new Set(left)] };
}

function bundled(record: ContainerRecord): Bundled {
  const { options, bundle } = record;
  if (options?.isolation === 'landlock')
    throw new UnsupportedError('toBundle', "a program under Landlock has the host's own files and namespaces, which no bundle has");
  if (options === null || bundle === null) throw new UnsupportedError('toBundle', 'an older version of this library made the container');
  if (record.image?.reference === 'host')
    throw new UnsupportedError(
      'toBundle',
      "the container's root is made of this machine's own files",
      "Give it an image with layers, or 'rootfs'.",
    );
  if (record.userns === null && (record.namespaces.flags & CLONE.user) !== 0)
    throw new UnsupportedError(
      'toBundle',
      "the container has the user namespace of an ordinary user, and who runs a bundle as root would have it as the machine's root",
    );
  return { ...record, options, bundle };
}

const NUMBERS = /^(\d+):(\d+)$/;

/** Whom the program runs as, by numbers. Names, and the groups that files say, are looked up where the program waits with all of them. */
async function userOf({ id, program, userns, options }: Bundled, waitingStatus: BundleSource['waitingStatus']): Promise<BundleUser> {
  const [, uid, gid] = NUMBERS.exec(program.user) ?? [];
  const groups = program.groupAdd.filter((group) => /^\d+$/.test(group));
  const isExact = program.notRoot === undefined && program.keepsGroups !== true && groups.length === program.groupAdd.length;
  if (uid !== undefined && gid !== undefined && isExact)
    return { uid: Number(uid), gid: Number(gid), groups: [...new Set([gid, ...groups].map(Number))] };
  if (waitingStatus === null || options.init)
    throw new NacelleError(
      `write a bundle of the container ${id}: its user ${JSON.stringify(program.user)} is known by numbers only before its start, and not with init. Give the option user as 'uid:gid'`,
      { code: 'ERR_STATE' },
    );
  const status = await waitingStatus();
  const ids = (field: string): number[] =>
    (new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
  const inside = (map: 'uid' | 'gid', outside: number): number => (userns === null ? outside : (idInside(userns[map], outside) ?? outside));
  const own = inside('gid', ids('Gid')[0] ?? 0);
  return {
    uid: inside('uid', ids('Uid')[0] ?? 0),
    gid: own,
    groups: [...new Set([own, ...ids('Groups').map((outside) => inside('gid', outside))])],
  };
}

function seccompOf({ seccomp }: BundleFacts, capabilities: CapabilityMask): SeccompProfile | null {
  if (seccomp === 'unconfined') return null;
  const subject = { arch: ownArchitecture(), capabilities, kernel: release() };
  if (seccomp === 'default') return defaultDocument(subject);
  return profileDocument(seccomp, subject);
}

async function imageOf({ image, record }: BundleSource): Promise<Image> {
  return image ?? Image.open(record.image?.digest || (record.image?.reference ?? ''));
}

/** The files of an image as a folder, with the owners that they have in it. */
async function writeRoot(folder: string, image: Image): Promise<void> {
  const what = 'write the root of a bundle';
  const used = await image.use({ mounter: mounter(privilege()) });
  try {
    const { recipe } = used;
    const tar = await packTree({ root: { type: 'recipe', recipe }, path: '/', form: 'contents' }, what);
    try {
      await attempting(what, () => mkdir(folder));
      await unpackInto(folder, tar, { what, owner: 'keep' });
    } finally {
      tar.destroy();
    }
    const top = recipe.mounts.find(({ target }) => target === '/')?.root;
    if (top === undefined) return;
    await attempting(what, () => chown(folder, top.uid, top.gid));
    await attempting(what, () => chmod(folder, top.mode & 0o7777));
  } finally {
    used.release();
  }
}
