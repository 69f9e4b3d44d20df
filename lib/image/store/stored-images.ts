import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ImageError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { chainIds, type Descriptor, isIndex, tagOf, withName } from '../formats/image-documents.js';
import type { ImageSource } from '../formats/image-source.js';
import { OciLayout, openBlobIn } from '../formats/oci-layout.js';
import { canonicalPlatform, platformName, selectPlatform } from '../formats/platform.js';
import { type DigestReference, formatReference, parseReference, type RegistryReference } from '../formats/reference.js';
import { lastUse } from './layer-folders.js';

/** What `Image.list()` tells of an image in the store. */
export interface ImageInfo {
  /** The full name, as 'docker.io/library/alpine:3'; `null`: another image has its name now, or it never had one. */
  readonly reference: string | null;
  /** The digest of the manifest; of an image for several platforms that of the index. */
  readonly digest: string;
  /** Bytes of the layers' blobs. */
  readonly size: number;
  /**
   * As 'linux/amd64' or 'linux/arm/v6', in the one name that a platform has here: 'linux/arm64' has no 'v8'. Of an image for several platforms this
   * machine's, or the first, which is the one that the other fields are about.
   */
  readonly platform: string;
  /** When the image was built, as it says itself. */
  readonly createdAt: Date | null;
  /** When a container last began to use the image, or it was unpacked; `null`: it was not unpacked yet. */
  readonly lastUsedAt: Date | null;
  /** Why the image can't be used, when its documents are damaged: nothing more is known of it then. */
  readonly error: ImageError | null;
}

interface Snapshot {
  /** A version that changes with each new index.json, which is always replaced as a whole. */
  readonly version: string;
  readonly layout: OciLayout;
  readonly images: Map<string, Promise<ImageSource>>;
}

/** Snapshots by the store's root. */
const snapshots = new Map<string, Snapshot>();

/** The store as its index says now; `null`: nothing was put into it yet. It is read anew when the index has changed. */
async function snapshot(root: string): Promise<Snapshot | null> {
  const stats = statSync(join(root, 'index.json'), { bigint: true, throwIfNoEntry: false });
  if (!stats) return null;
  const version = `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
  const known = snapshots.get(root);
  if (known?.version === version) return known;
  const fresh = { version, layout: await OciLayout.open(root), images: new Map<string, Promise<ImageSource>>() };
  snapshots.set(root, fresh);
  return fresh;
}

/**
 * An image of the store, under the name that it has there; `null` when it is not there. A digest finds the image whatever its name, and an
 * image of the same repository first.
 *
 * @throws ImageError when its documents are damaged
 */
export async function findStored(reference: RegistryReference, root = storeRoot()): Promise<ImageSource | null> {
  const now = await snapshot(root);
  if (!now) return null;
  const name = formatReference(reference);
  const same = now.layout.entries.filter(({ digest }) => digest === reference.digest);
  const repository = `${reference.registry}/${reference.repository}`;
  const entry =
    now.layout.entries.find((candidate) => tagOf(candidate) === name) ??
    same.find((candidate) => [':', '@'].some((end) => tagOf(candidate)?.startsWith(`${repository}${end}`))) ??
    same[0];
  if (entry) return open(now, entry);
  return reference.digest === null ? null : findInIndexes(reference.digest, root);
}

/** An image of the store by a name or a digest; `null` when it is not there. @throws as {@link findStored} */
export function findReferred(reference: RegistryReference | DigestReference, root = storeRoot()): Promise<ImageSource | null> {
  return reference.kind === 'digest' ? findByDigest(reference.digest, root) : findStored(reference, root);
}

/** An image of the store by the digest of its manifest or its index, or by its config's: what docker calls its id. */
export async function findByDigest(digest: string, root = storeRoot()): Promise<ImageSource | null> {
  const now = await snapshot(root);
  const entry = now?.layout.entries.find((candidate) => candidate.digest === digest);
  if (now && entry) return open(now, entry);
  return (await findInIndexes(digest, root)) ?? findByConfig(digest, root);
}

/** An image of one platform by its manifest's digest, where an image for several has it. */
async function findInIndexes(digest: string, root: string): Promise<ImageSource | null> {
  for (const { index } of await intact(root)) {
    const manifest = index?.manifests.find((one) => one.digest === digest);
    if (index && manifest) return index.image(manifest);
  }
  return null;
}

/** An image by its name, or one without any by its manifest's digest. */
export async function findEntry(reference: string | null, digest: string, root = storeRoot()): Promise<ImageSource | null> {
  const now = await snapshot(root);
  const entry =
    now?.layout.entries.find((candidate) => candidate.digest === digest && tagOf(candidate) === reference) ??
    now?.layout.entries.find((candidate) => candidate.digest === digest);
  return now && entry ? open(now, entry, reference) : null;
}

/** The image whose config has this digest, as a docker archive identifies its images. */
export async function findByConfig(digest: string, root = storeRoot()): Promise<ImageSource | null> {
  return (await intact(root)).find(({ manifest }) => manifest.config.digest === digest) ?? null;
}

/** For each blob in the store, another repository of the same registry that has it, as far as the store's names tell. */
export async function neighbours({ registry, repository }: RegistryReference, root = storeRoot()): Promise<ReadonlyMap<string, string>> {
  const repositories = new Map<string, string>();
  for (const { reference, manifest } of await intact(root)) {
    const name = reference === null ? null : parseReference(reference);
    if (name?.kind !== 'registry' || name.registry !== registry || name.repository === repository) continue;
    for (const { digest } of [manifest.config, ...manifest.layers]) repositories.set(digest, name.repository);
  }
  return repositories;
}

/** The images whose documents are not damaged, in the order in which they came: a damaged image must not keep others from being found. */
async function intact(root: string): Promise<ImageSource[]> {
  const now = await snapshot(root);
  const opened = await Promise.allSettled(now?.layout.entries.map((entry) => open(now, entry)) ?? []);
  return opened.flatMap((image) => {
    if (image.status === 'fulfilled') return [image.value];
    if (image.reason instanceof ImageError) return [];
    throw image.reason;
  });
}

function open({ layout, images }: Snapshot, entry: Descriptor, reference = tagOf(entry)): Promise<ImageSource> {
  const key = `${entry.digest} ${reference}`;
  const known = images.get(key) ?? resolved(layout, entry, reference);
  images.set(key, known);
  known.catch(() => images.delete(key));
  return known;
}

async function resolved(layout: OciLayout, entry: Descriptor, reference: string | null): Promise<ImageSource> {
  const openBlob = (blob: Descriptor) => openBlobIn(layout.path, blob);
  if (!isIndex(entry)) return { ...(await layout.resolve(entry)), reference, openBlob };
  const manifests = await layout.manifestsOf(entry);
  const [first] = manifests;
  if (!first) throw new ImageError(`index ${entry.digest} has no image`, { reference, digest: entry.digest });
  const image = async (manifest: Descriptor): Promise<ImageSource> => ({ ...(await layout.resolve(manifest)), reference: null, openBlob });
  const own = await image(selectPlatform(manifests) ?? first);
  return { ...own, tag: tagOf(entry), reference, index: { descriptor: withName(entry, { tag: null }), manifests, image } };
}

export async function listStored(root = storeRoot()): Promise<ImageInfo[]> {
  const now = await snapshot(root);
  return now ? Promise.all(now.layout.entries.map((entry) => infoOf(now, entry, root))) : [];
}

async function infoOf(now: Snapshot, entry: Descriptor, root: string): Promise<ImageInfo> {
  const named = { reference: tagOf(entry), digest: entry.digest };
  try {
    const { manifest, config } = await open(now, entry);
    const { os = '', architecture = '', variant } = config;
    const top = chainIds(config.rootfs.diff_ids).at(-1);
    const created = config.created ? new Date(config.created) : null;
    return {
      ...named,
      size: manifest.layers.reduce((sum, { size }) => sum + size, 0),
      platform: platformName(canonicalPlatform({ os, architecture, variant })),
      createdAt: created && Number.isFinite(created.getTime()) ? created : null,
      lastUsedAt: top === undefined ? null : await lastUse(top, root),
      error: null,
    };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { ...named, size: 0, platform: '', createdAt: null, lastUsedAt: null, error };
  }
}
