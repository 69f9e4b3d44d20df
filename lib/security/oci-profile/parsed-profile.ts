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
  /** It has SCMP_ACT_NOTIFY: such a call is refused with EPERM, where somebody is told of that, unless a listener is asked: see bundle-profile.ts. */
  readonly notifies: boolean;
  /** Whom it wants to be asked; `null`: nobody by a socket. */
  readonly listener: SeccompListener | null;
}

/** Where a filter's listener is sent (config-linux.md, "Seccomp"). */
export interface SeccompListener {
  /** Of a stream socket. */
  readonly path: string;
  /** Handed on as it is. */
  readonly metadata: string;
}

export interface ParsedGroup {
  readonly names: readonly string[];
  readonly action: Action;
  /** SCMP_ACT_NOTIFY was asked for. */
  readonly notifies?: true;
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
