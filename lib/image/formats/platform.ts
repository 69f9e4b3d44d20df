import type { Descriptor } from './image-documents.js';

/** The platform of an image, in Go's words (image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** The variant of the processor: 'v7'. */
  readonly variant?: string | undefined;
}

/** The OCI name of what Node runs on. */
export function currentPlatform(arch: string = process.arch): Platform {
  const architectures: Record<string, string> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
  return { os: 'linux', architecture: architectures[arch] ?? arch };
}

/** Other names of architectures, as uname(2) and Debian have them. */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
  ['i386', ['386']],
]);

const SYSTEMS = new Set(['linux', 'windows', 'darwin', 'freebsd']);

/** 'OS/ARCHITECTURE', 'OS/ARCHITECTURE/VARIANT' or 'ARCHITECTURE'; `null`: it is none of these. */
export function parsePlatform(text: string): Platform | null {
  const parts = text.split('/');
  const [os = '', architecture = '', variant] = parts.length === 1 ? ['linux', ...parts] : parts;
  if (parts.length > 3 || ![os, architecture, variant ?? 'any'].every((part) => /^[A-Za-z0-9_.-]+$/.test(part))) return null;
  return parts.length === 1 && SYSTEMS.has(architecture.toLowerCase()) ? null : normalised({ os, architecture, variant });
}

/** What a processor of no named generation is, by the variant that names the same one: containerd leaves these variants out. */
const USUAL: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm64', 'v8'],
]);

/** The one name of a platform that has several: without a variant that says nothing, and with that of 32-bit ARM, 'v7' where none is named. */
export function canonicalPlatform(platform: Platform): Platform {
  const { os, architecture, variant } = normalised(platform);
  const named = variant ?? (architecture === 'arm' ? 'v7' : undefined);
  return { os, architecture, ...(named === undefined || USUAL.get(architecture) === named ? {} : { variant: named }) };
}

/** A platform as Go names it: an image may call its own 'x86_64', too. */
function normalised(platform: Platform): Platform {
  const name = platform.architecture.toLowerCase();
  const [architecture, implied] = ALIASES.get(name) ?? [name];
  // some images say 'arm/7'
  const variant = platform.variant?.toLowerCase().replace(/^(?=\d)/, 'v') || implied;
  return { os: platform.os.toLowerCase(), architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The platform as it is written: 'linux/arm/v7'. */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** The generation that an architecture without a variant means. A processor also runs what is for earlier generations. */
const GENERATIONS: ReadonlyMap<string, number> = new Map([
  ['amd64', 1],
  ['arm', 7],
  ['arm64', 8],
]);

/** The generation of a platform's processor; `null` when the architecture has none, or the variant is no number. */
function generation({ architecture, variant }: Platform): number | null {
  if (!variant) return GENERATIONS.get(architecture) ?? null;
  const [, major, minor = '0'] = /^v(\d+)(?:\.(\d+))?$/.exec(variant) ?? [];
  return major === undefined || !GENERATIONS.has(architecture) ? null : Number(major) + Number(minor) / 100;
}

/** The platforms whose programs a processor runs: its own, or else the 32-bit one of its kind. */
function runnable(wanted: Platform): readonly Platform[] {
  return wanted.architecture === 'amd64' ? [wanted, { os: wanted.os, architecture: '386' }] : [wanted];
}

function fits(said: Platform, wanted: Platform): boolean {
  const has = normalised(said);
  if (has.os !== wanted.os || has.architecture !== wanted.architecture) return false;
  const [theirs, ours] = [generation(has), generation(wanted)];
  if (theirs !== null && ours !== null) return theirs <= ours;
  return !wanted.variant || (has.variant ?? wanted.variant) === wanted.variant;
}

/**
 * The entry for a platform. Of several that the processor runs, it is the one for the latest generation of processors, else the first; else
 * one for 32 bits, as containerd does. Entries that name no platform fit any, when no other does. Attestations say 'unknown' and fit none.
 */
export function selectPlatform(descriptors: readonly Descriptor[], wanted: Platform = currentPlatform()): Descriptor | undefined {
  for (const platform of runnable(wanted)) {
    const best = bestOf(descriptors, platform);
    if (best) return best;
  }
  return descriptors.find(({ platform }) => !platform);
}

function bestOf(descriptors: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  let best: { readonly entry: Descriptor; readonly level: number } | undefined;
  for (const entry of descriptors) {
    if (!entry.platform || !fits(entry.platform, wanted)) continue;
    const level = generation(normalised(entry.platform)) ?? 0;
    if (!best || level > best.level) best = { entry, level };
  }
  return best?.entry;
}

/** Whether an image that says this of itself runs on a platform. An image that says nothing may. */
export function runsOn({ os, architecture, variant }: { [K in keyof Platform]?: Platform[K] | undefined }, wanted: Platform): boolean {
  return !os || !architecture || runnable(wanted).some((platform) => fits({ os, architecture, variant }, platform));
}
