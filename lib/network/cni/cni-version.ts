// Versions of the specification (SPEC.md of containernetworking/cni: Version considerations). Pure.

/** Those that this runtime speaks, the lowest first. Before 0.3.0 there were no lists of plugins, and results had another shape. */
export const CNI_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof CNI_VERSIONS)[number];

export function isCniVersion(version: string): version is CniVersion {
  return CNI_VERSIONS.some((known) => known === version);
}

export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(least);
}

/** The highest version that is in each of these lists; `null`: none is. Versions that this runtime doesn't speak don't count. */
export function highestCommon(...lists: readonly (readonly string[])[]): CniVersion | null {
  return CNI_VERSIONS.findLast((version) => lists.every((list) => list.includes(version))) ?? null;
}
