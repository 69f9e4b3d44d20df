/** What happens to a system call, in the words of the OCI runtime spec. SCMP_ACT_KILL is SCMP_ACT_KILL_THREAD. */
export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY';

/** A comparison of an argument; all are of unsigned numbers. SCMP_CMP_MASKED_EQ: the argument's bits that `value` has are `valueTwo`. */
export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

/** A condition on an argument of a system call. */
export interface SeccompArgument {
  /** 0 to 5. */
  index: number;
  /** 0 to 2^64 - 1; a bigint above Number.MAX_SAFE_INTEGER. 32-bit ABIs compare the low half. */
  value: number | bigint;
  valueTwo?: number | bigint | null | undefined;
  op: SeccompOperator;
}

/** docker's conditions of a rule. Within one of them all of `includes` must hold, and none of `excludes`. */
export interface SeccompConditions {
  /** Capabilities of the container, with or without 'CAP_'. */
  caps?: readonly string[] | null | undefined;
  /** Go's names: 'amd64', 'arm64'. */
  arches?: readonly string[] | null | undefined;
  /** '5.11': the kernel is this one or a later one. */
  minKernel?: string | null | undefined;
}

/** A rule about some system calls. */
export interface SeccompRule {
  /** A name that no kernel has is passed over, unless the rule refuses what the profile's default allows. */
  names?: readonly string[] | null | undefined;
  /** docker's older way to give a single name. */
  name?: string | null | undefined;
  action: SeccompAction;
  /** For SCMP_ACT_ERRNO, at most 4,095, and SCMP_ACT_TRACE, at most 65,535. Default 1, EPERM. */
  errnoRet?: number | null | undefined;
  /** podman's way to give it by name: 'EPERM'. */
  errno?: string | null | undefined;
  /** All must hold; but where two are about the same argument each is a rule of its own, as in runc. */
  args?: readonly SeccompArgument[] | null | undefined;
  includes?: SeccompConditions | null | undefined;
  excludes?: SeccompConditions | null | undefined;
  comment?: string | null | undefined;
}

/**
 * A system call filter as data: `linux.seccomp` of the OCI runtime spec, or a profile of docker, podman or containerd.
 *
 * Of several rules about a call one without `args` decides, the first of them; otherwise of those that hold the strictest, in the order of
 * seccomp(2). Rules with the default action say nothing, as in runc.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
 */
export interface SeccompProfile {
  /** For calls that no rule decides. Where it allows none, calls newer than any that the profile names hear ENOSYS, as in runc. */
  defaultAction: SeccompAction;
  /** Default 1, EPERM. */
  defaultErrnoRet?: number | null | undefined;
  /** podman's way to give it by name. */
  defaultErrno?: string | null | undefined;
  /** 'SCMP_ARCH_X86_64'. Beside the machine's own, by which ABIs calls may be made; through any other they kill the process. */
  architectures?: readonly string[] | null | undefined;
  /** docker's way: the ABIs beside each architecture. */
  archMap?: readonly SeccompArchitecture[] | null | undefined;
  syscalls?: readonly SeccompRule[] | null | undefined;
  /** SECCOMP_FILTER_FLAG_LOG and _SPEC_ALLOW; _TSYNC and _WAIT_KILLABLE_RECV change nothing here. */
  flags?: readonly string[] | null | undefined;
  listenerPath?: string | null | undefined;
  listenerMetadata?: string | null | undefined;
}

/** An architecture, and the ABIs that programs may use beside its own. */
export interface SeccompArchitecture {
  architecture: string;
  subArchitectures?: readonly string[] | null | undefined;
}
