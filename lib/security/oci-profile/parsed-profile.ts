import type { CapabilityName } from '../../plan/capability-names.js';
import type { Action, Operator } from '../profile.js';

/** A profile that was checked, on no machine yet. */
export interface ParsedProfile {
  readonly defaultAction: Action;
  /** Names of ABIs beside the machine's own; by architecture, or for all. */
  readonly architectures: readonly string[];
  readonly archMap: Readonly<Record<string, readonly string[]>>;
  readonly groups: readonly ParsedGroup[];
  /** SECCOMP_FILTER_FLAG_* that change something here. */
  readonly flags: number;
  /** It has SCMP_ACT_NOTIFY: such a call is refused with EPERM, where somebody is told of that. */
  readonly notifies: boolean;
  /** What it asks for that can't be had; it must not be used then. */
  readonly unsupported: readonly string[];
}

export interface ParsedGroup {
  readonly names: readonly string[];
  readonly action: Action;
  readonly args: readonly ParsedArgument[];
  readonly includes: ParsedConditions;
  readonly excludes: ParsedConditions;
}

export interface ParsedArgument {
  readonly index: number;
  readonly op: Operator;
  readonly value: bigint;
  /** Of MASKED_EQ; all bits for the others. */
  readonly mask: bigint;
}

export interface ParsedConditions {
  readonly caps: readonly CapabilityName[];
  readonly arches: readonly string[];
  /** Major, minor and patch. */
  readonly minKernel: readonly number[] | null;
}
