import { SyscallError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { NONE, planOf } from '../plan/plan.js';
import { type Feature, lacking, works } from './feature.js';

/** r0 = 1; exit: everything is allowed (struct bpf_insn). */
const ALLOW = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

let known: Promise<Feature> | undefined;

/** Whether this process may load the BPF program that is the device controller of the unified tree. Tries it once. */
export function deviceFilter(): Promise<Feature> {
  known ??= probe().catch((error: unknown) => {
    // the failure may pass, so the next call tries again
    known = undefined;
    throw error;
  });
  return known;
}

/** The errors of a kernel that can't load such a program. */
const REFUSALS = new Set(['EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP']);

async function probe(): Promise<Feature> {
  const plan = planOf({ prepare: [{ op: 'load_device_filter', host: true, out: NONE, program: ALLOW }] });
  try {
    await carryOut(plan);
    return works;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === 'EPERM' || error.code === 'EACCES')
      return lacking(
        'this process may not load BPF programs',
        'Run as root, or with CAP_BPF and CAP_NET_ADMIN of the first user namespace.',
      );
    if (!REFUSALS.has(error.code)) throw error;
    return lacking(`the kernel refuses BPF programs for devices: ${error.code}`, 'Use a kernel with CONFIG_CGROUP_BPF.');
  }
}
