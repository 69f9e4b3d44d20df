import type { BundleProcess } from '../../oci-config/config-schema.js';
import { cpuMask } from '../../oci-config/cpu-list.js';
import type { Step } from '../../plan/steps.js';

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
  return { before: step(initial, true), after: step(final, false) };
}
