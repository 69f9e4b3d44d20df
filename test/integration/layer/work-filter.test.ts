import { beforeAll, expect } from 'vitest';
import { syscallTable } from '../../../lib/security/syscalls/tables.js';
import { feed, LAYER_COMPILER, layerDriver } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER] });
const table = syscallTable(process.arch === 'arm64' ? 'arm64' : 'x86_64');
const sanitized = process.env.NACELLE_SANITIZE === '1';

let driver = '';
beforeAll(async () => {
  driver = await layerDriver();
});

const call = (work: string, name: string, ...args: number[]): string =>
  feed(driver, ['call', work, String(table.get(name)?.[0]), ...args.map(String)])
    .output.toString()
    .trim();

/** Made by the kernel's own trampolines alone, which no filter sees (Linux 6.11 on x86-64); anybody else gets SIGILL. */
const KERNELS_OWN = ['uretprobe', 'uprobe'];

const EACH = `
read lseek fcntl close openat fstat newfstatat statx getdents64
brk mremap munmap madvise getrandom restart_syscall exit exit_group
mmap mprotect write sendmsg
`;
const READING = 'pread64 readlinkat fgetxattr flistxattr lgetxattr llistxattr fchdir rt_sigaction';

/** All that each work may call: whatever the arguments, but those of the last line of EACH. */
const ALLOWED = {
  unpack: `${EACH} openat2 fchdir umask pwrite64 ftruncate
    mkdirat mknodat symlinkat linkat unlinkat geteuid
    fchown fchownat fchmod utimensat fsetxattr lsetxattr fgetxattr flistxattr fremovexattr lremovexattr
    syncfs`,
  pack: `${EACH} ${READING}`,
  changes: `${EACH} ${READING}`,
  copy_out: `${EACH} openat2`,
};
const WORKS = ['unpack', 'pack', 'changes', 'copy_out'] as const;
const allowed = (work: (typeof WORKS)[number]): string[] => ALLOWED[work].trim().split(/\s+/);

describe.each(WORKS)('the filter of %s', (work) => {
  // the sanitizers' runtime has calls of its own
  if (!sanitized)
    it('lets these calls through and kills for every other, by each way into the kernel', () => {
      const numbers = feed(driver, ['calls', work]).output.toString().trim().split('\n');
      const names = numbers.map((number) => [...table].find(([, all]) => all.includes(Number(number)))?.[0] ?? number);
      expect(names.filter((name) => !KERNELS_OWN.includes(name)).sort()).toEqual(allowed(work).sort());
    });

  it('has calls alone that x86-64 and arm64 both have', () => {
    for (const abi of ['x86_64', 'arm64'] as const) expect(allowed(work).filter((name) => !syscallTable(abi).has(name))).toEqual([]);
  });

  it('gives no memory that can be executed', () => {
    expect(call(work, 'mmap', 0, 4096, 3, 0x22, -1)).toBe('allowed');
    expect(call(work, 'mmap', 0, 4096, 7, 0x22, -1)).toBe('killed');
    expect(call(work, 'mprotect', 0, 4096, 1)).toBe('allowed');
    expect(call(work, 'mprotect', 0, 4096, 5)).toBe('killed');
  });

  it('lets it speak on its channel, and write what it finds to its output alone', () => {
    expect(call(work, 'sendmsg', 2)).toBe('allowed');
    expect(call(work, 'sendmsg', 1)).toBe('killed');
    if (sanitized) return;
    expect(call(work, 'write', 2)).toBe('allowed');
    expect(call(work, 'write', 1)).toBe(work === 'unpack' ? 'killed' : 'allowed');
    expect(call(work, 'write', 3)).toBe('killed');
  });
});
