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

const call = (name: string, ...args: number[]): string =>
  feed(driver, ['call', String(table.get(name)?.[0]), ...args.map(String)])
    .output.toString()
    .trim();

/** Made by the kernel's own trampolines alone, which no filter sees (Linux 6.11 on x86-64); anybody else gets SIGILL. */
const KERNELS_OWN = ['uretprobe', 'uprobe'];

/** All that unpacking may call, whatever the arguments but those of the last line. */
const ALLOWED = `
read pwrite64 ftruncate lseek fcntl close
openat openat2 fchdir fstat newfstatat statx getdents64 umask
mkdirat mknodat symlinkat linkat unlinkat
fchown fchownat fchmod utimensat fsetxattr lsetxattr fgetxattr flistxattr fremovexattr lremovexattr
syncfs
brk mremap munmap madvise getrandom restart_syscall exit exit_group
mmap mprotect write sendmsg
`;

describe('the filter of unpacking', () => {
  // the sanitizers' runtime has calls of its own
  if (!sanitized)
    it('lets these calls through and kills for every other, by each way into the kernel', () => {
      const numbers = feed(driver, ['calls', '0']).output.toString().trim().split('\n');
      const names = numbers.map((number) => [...table].find(([, all]) => all.includes(Number(number)))?.[0] ?? number);
      expect(names.filter((name) => !KERNELS_OWN.includes(name)).sort()).toEqual(ALLOWED.trim().split(/\s+/).sort());
    });

  it('has calls alone that x86-64 and arm64 both have', () => {
    for (const abi of ['x86_64', 'arm64'] as const)
      expect(
        ALLOWED.trim()
          .split(/\s+/)
          .filter((name) => !syscallTable(abi).has(name)),
      ).toEqual([]);
  });

  it('gives no memory that can be executed', () => {
    expect(call('mmap', 0, 4096, 3, 0x22, -1)).toBe('allowed');
    expect(call('mmap', 0, 4096, 7, 0x22, -1)).toBe('killed');
    expect(call('mprotect', 0, 4096, 1)).toBe('allowed');
    expect(call('mprotect', 0, 4096, 5)).toBe('killed');
  });

  it('lets it speak on its channel alone', () => {
    expect(call('sendmsg', 2)).toBe('allowed');
    expect(call('sendmsg', 1)).toBe('killed');
    if (!sanitized) expect(call('write', 1)).toBe('killed');
  });
});
