/** What a process may say of where its memory is (set_mempolicy(2)): the place of each is the kernel's number. */
export const memoryModes = [
  ...(['MPOL_DEFAULT', 'MPOL_PREFERRED', 'MPOL_BIND', 'MPOL_INTERLEAVE'] as const),
  ...(['MPOL_LOCAL', 'MPOL_PREFERRED_MANY', 'MPOL_WEIGHTED_INTERLEAVE'] as const),
] as const;

export const memoryFlags = ['MPOL_F_NUMA_BALANCING', 'MPOL_F_RELATIVE_NODES', 'MPOL_F_STATIC_NODES'] as const;

/** The first of the flags is this bit, and each the next one. */
const FIRST_FLAG = 13;

export interface MemoryPolicy {
  readonly mode: (typeof memoryModes)[number];
  readonly flags: readonly (typeof memoryFlags)[number][];
}

/** The number that set_mempolicy(2) takes. Pure. */
export function memoryMode({ mode, flags }: MemoryPolicy): number {
  return flags.reduce((all, flag) => all | (1 << (FIRST_FLAG + memoryFlags.indexOf(flag))), memoryModes.indexOf(mode));
}

export function takesNoNodes(mode: MemoryPolicy['mode']): boolean {
  return mode === 'MPOL_DEFAULT' || mode === 'MPOL_LOCAL';
}
