import { type Abi, syscallTable } from '../syscalls/tables.js';
import { multiplexed } from './multiplexed-calls.js';

const abis: readonly Abi[] = ['x86_64', 'i386', 'arm64'];

/** System calls that Linux has on other architectures alone. Profiles are written for all of them. */
const elsewhere = new Set(
  `
arm_fadvise64_64 arm_sync_file_range breakpoint cachectl cacheflush get_tls multiplexer pciconfig_iobase pciconfig_read
pciconfig_write riscv_flush_icache riscv_hwprobe rtas s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write
s390_runtime_instr s390_sthyi set_tls spu_create spu_run subpage_prot swapcontext switch_endian sync_file_range2
sys_debug_setcontext syscall sysmips timerfd usr26 usr32
`
    .trim()
    .split(/\s/),
);

/** Whether some kernel has a call of this name, as far as is known here: up to Linux 6.18. */
export function isKnownCall(name: string): boolean {
  return abis.some((abi) => syscallTable(abi).has(name)) || multiplexed.has(name) || elsewhere.has(name);
}

/** The calls of the architectures that have filters here, for the nearest to a wrong name. */
export function callNames(): string[] {
  return [...new Set(abis.flatMap((abi) => [...syscallTable(abi).keys()]))];
}
