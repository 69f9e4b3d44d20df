import type { CapabilityName } from '../plan/capability-names.js';

/**
 * What happens to a system call: it goes on, with a line in the kernel's log for 'log'; it fails with an errno; the process gets SIGSYS;
 * a tracer is asked, and hears the number; whoever has the filter's listener is asked; the thread, or the whole process, is killed as if by SIGSYS.
 */
export type Action =
  | 'allow'
  | 'log'
  | { readonly trace: number }
  | 'notify'
  | { readonly errno: number }
  | 'trap'
  | 'kill-thread'
  | 'kill-process';

/** Comparisons of an argument, as the OCI runtime spec names them (without SCMP_CMP_). All are unsigned. */
export type Operator = 'NE' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT' | 'MASKED_EQ';

/** A condition on an argument of the call. */
export interface ArgumentTest {
  /** 0 to 5. */
  readonly index: number;
  readonly op: Operator;
  readonly value: number | bigint;
  /** For MASKED_EQ: the argument's bits that are compared. */
  readonly mask?: number | bigint;
  /**
   * How much of the argument is looked at. The kernel takes an `int` from the low half of the register and ignores the high half, so a
   * program could get past a test of all 64 bits by setting a high one. Default 64.
   */
  readonly bits?: 32 | 64;
}

/** A rule about some system calls. */
export interface Rule {
  readonly names: readonly string[];
  readonly action: Action;
  /** All tests must hold. Without any, the rule holds for every call. */
  readonly args?: readonly ArgumentTest[];
  /** The rule is left out unless the container has one of these. */
  readonly when?: readonly CapabilityName[];
  /** The rule is left out when the container has one of these. */
  readonly unless?: readonly CapabilityName[];
}

/** A filter, as data. For a call the first rule that names it and whose tests hold decides. */
export interface Profile {
  /** For a call that no rule decides. */
  readonly defaultAction: Action;
  /**
   * For calls with a higher number than any that a rule names: those of later kernels, which programs try first and do without where they
   * hear ENOSYS. Default: `defaultAction`.
   */
  readonly newerAction?: Action;
  readonly rules: readonly Rule[];
}
