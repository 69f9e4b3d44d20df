import type { ParsedLimits } from '../../options/limits.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import type { ProgramUser } from '../../process/program-steps.js';

/**
 * How a program of the container runs where nothing else is said: its own program, and those that `exec` starts. Plain data. OCI's config.json
 * has the same as `process`.
 */
export interface ProgramSpec extends ProgramUser {
  /** 'NAME=value'. It is complete but for HOME, which the shim adds from the container's /etc/passwd when it is not there. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly umask: number;
  readonly capabilities: CapabilityMask;
  readonly noNewPrivileges: boolean;
  /** struct sock_filter[], or `null` for none. */
  readonly filter: Uint8Array | null;
  /** SECCOMP_FILTER_FLAG_* that the filter is loaded with; nothing in an older note: none. */
  readonly filterFlags?: number;
  /**
   * The filter's kills, and with `told` its refusals, are answered by a process beside the program, which can name the call; `null`, or nothing
   * in an older note: the kernel alone answers.
   */
  readonly denials?: { readonly told: boolean } | null;
  /** Names of the caller's seccomp profile that no kernel has; `null`, or nothing in an older note, where the filter is of none. */
  readonly unknownCalls?: readonly string[] | null;
  readonly ulimits: ParsedLimits['ulimits'];
  readonly scheduler: ParsedLimits['scheduler'];
  readonly oomScoreAdj: number | null;
}
