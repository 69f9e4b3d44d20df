import { type CapabilityMask, capabilityMask } from '../../plan/capability-names.js';
import type { Architecture } from '../filter.js';
import type { ParsedConditions, ParsedGroup } from './parsed-profile.js';

/** For whom a profile is compiled. */
export interface ProfileSubject {
  readonly arch: Architecture;
  /** Those of the container, at most. */
  readonly capabilities: CapabilityMask;
  /** '6.1.0-28-amd64', as uname(2) has it. */
  readonly kernel: string;
}

/** docker's names. It looks at the machine's own architecture alone, never at 'x86' or 'x32' on an 'amd64'. */
const nativeName: Readonly<Record<Architecture, string>> = { x86_64: 'amd64', arm64: 'arm64' };

/** The rules whose conditions hold, as docker has them. */
export function applicableGroups(groups: readonly ParsedGroup[], subject: ProfileSubject): ParsedGroup[] {
  return groups.filter(({ includes, excludes }) => includesAll(includes, subject) && !excludesAny(excludes, subject));
}

function includesAll({ caps, arches, minKernel }: ParsedConditions, { arch, capabilities, kernel }: ProfileSubject): boolean {
  if (arches.length > 0 && !arches.includes(nativeName[arch])) return false;
  if (minKernel !== null && !isAtLeast(kernel, minKernel)) return false;
  const needed = capabilityMask(...caps);
  return (capabilities & needed) === needed;
}

function excludesAny({ caps, arches, minKernel }: ParsedConditions, { arch, capabilities, kernel }: ProfileSubject): boolean {
  if (arches.includes(nativeName[arch])) return true;
  if (minKernel !== null && isAtLeast(kernel, minKernel)) return true;
  return (capabilities & capabilityMask(...caps)) !== 0n;
}

function isAtLeast(kernel: string, wanted: readonly number[]): boolean {
  const version =
    /^(\d+)\.(\d+)(?:\.(\d+))?/
      .exec(kernel)
      ?.slice(1)
      .map((part = '0') => Number(part)) ?? [];
  for (const [index, part] of wanted.entries()) {
    const own = version[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
