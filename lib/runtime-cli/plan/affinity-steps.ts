import type { BundleProcess } from '../../oci-config/config-schema.js';
import { cpuMask } from '../../oci-config/cpu-list.js';
import type { Step } from '../../plan/steps.js';

/** Every processor that a kernel may have: of these a process gets those of its cpuset. */
const ALL = new Uint8Array(1024).fill(0xff);

/** Whoever calls the runtime may be bound to some processors, which say nothing of the container. As in runc since 1.2 its groups alone do. */
export const resetAffinity: Step = { op: 'cpu_affinity', mask: ALL };

/**
 * Steps for the processors of a program of `exec` (config.md, "Process"): `before` is for the shim, from which the process has them until it is in the
 * container's groups; `after` for the process in there. Pure.
 */
export function affinitySteps({ execCPUAffinity }: Pick<BundleProcess, 'execCPUAffinity'>): {
  readonly before: readonly Step[];
  readonly after: readonly Step[];
} {
  const { initial, final } = execCPUAffinity ?? {};
  const step = (list: string | undefined, host: boolean): Step[] => {
    const mask = list ? cpuMask(list) : null;
    return mask === null ? [] : [{ op: 'cpu_affinity', ...(host ? { host } : {}), mask }];
  };
  const [before, after] = [step(initial, true), step(final, false)];
  return { before, after: before.length + after.length === 0 ? [resetAffinity] : after };
}

/** The processors that a program of `exec` begins with, as a mask in hexadecimal digits; `null`: all of the container's. Pure. */
export function initialAffinity({ execCPUAffinity }: Pick<BundleProcess, 'execCPUAffinity'>): string | null {
  const mask = execCPUAffinity?.initial ? cpuMask(execCPUAffinity.initial) : null;
  if (mask === null) return null;
  const digits = Buffer.from(mask).reverse().toString('hex').replace(/^0+/, '');
  return `0x${digits || '0'}`;
}
