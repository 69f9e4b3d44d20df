import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { type CapabilityName, capabilityMask } from '../../lib/plan/capability-names.js';
import { defaultCapabilities } from '../../lib/security/capabilities.js';
import { compileDefault } from '../../lib/security/seccomp.js';
import { compile } from '../fixtures/compile.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { i386, native, refusedCalls, x32 } from '../fixtures/refused-calls.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const [EPERM, EBADF, EFAULT, ENOSYS] = [1, 9, 14, 38];

useLeakCheck();
// Node's names and the filter's architectures are the same machine here: the calls below are x86-64's.
const tools = process.arch === 'x64' ? ['gcc'] : ['gcc', 'an x86-64 processor'];
const { describe, it } = requires({ root: true, tools });

describe('the default filter in the kernel', () => {
  const folder = temporaryFolder();
  const filter = join(folder, 'default.bpf');
  let probe = '';

  beforeAll(() => {
    probe = compile('seccomp-probe', folder);
    writeFileSync(filter, compileDefault({ arch: 'x86_64', capabilities: defaultCapabilities }));
  });

  /** Tries calls as root with every capability that root has here, so that what fails with EPERM failed by the filter. */
  function errnos(calls: readonly string[], loaded = filter): number[] {
    const output = execFileSync(probe, [loaded, 'call', ...calls], { encoding: 'utf8', timeout: 300_000 });
    return output.trim().split('\n').map(Number);
  }

  const entries = [
    { entry: 'syscall', call: native },
    { entry: 'int 0x80', call: i386 },
    { entry: 'x32', call: x32 },
  ];

  it.each(entries)('refuses calls through $entry', ({ call }) => {
    const results = errnos(refusedCalls.map(([name, ...args]) => call(name, ...args)));
    expect(refusedCalls.map((row, index) => [...row, results[index]])).toEqual(refusedCalls.map((row) => [...row, EPERM]));
    expect(errnos([call('clone3', 0, 0)])).toEqual([ENOSYS]);
  });

  it('is what refuses them: without it the kernel looks at the arguments', () => {
    for (const call of [native, i386]) {
      const unfiltered = errnos(
        refusedCalls.map((row) => call(...row)),
        '-',
      );
      expect(refusedCalls.filter((_, index) => unfiltered[index] === EPERM)).toEqual([]);
    }
  });

  it('looks at the half of a register that the kernel looks at', () => {
    const beside = (value: number) => `0x77${value.toString(16).padStart(8, '0')}`;
    const calls = [native('socket', beside(38), 5), native('ioctl', -1, beside(0x5412)), native('personality', beside(0x4_0000))];
    expect(errnos(calls)).toEqual([EPERM, EPERM, EPERM]);
    expect(errnos([native('ioctl', -1, 0x5401), native('personality', '0xffffffffffffffff')])).toEqual([EBADF, 0]);
  });

  it('sends i386 programs from socketcall(2) to socket(2)', () => {
    expect(errnos([i386('socketcall', 1), i386('socket', 1, 1), i386('socketcall', 2), i386('getpid')])).toEqual([ENOSYS, 0, EFAULT, 0]);
  });

  it('lets ordinary calls through', () => {
    const calls = [
      native('getpid'),
      native('clone', 17),
      native('unshare', 0x200),
      native('socket', 1, 1),
      native('socket', 2, 2),
      native('personality', 0xffff_ffff),
      native('ptrace', 0),
    ];
    expect(errnos(calls)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('lets through what a capability governs', () => {
    const names: CapabilityName[] = ['SYS_ADMIN', 'BPF', 'SYS_MODULE'];
    const loaded = join(folder, 'capable.bpf');
    writeFileSync(loaded, compileDefault({ arch: 'x86_64', capabilities: capabilityMask(...names) }));
    const results = errnos(
      [native('mount'), i386('mount'), native('setns', -1), native('bpf', 999), native('init_module'), native('keyctl', 999)],
      loaded,
    );
    expect(results.slice(0, 5)).not.toContain(EPERM);
    expect(results[5]).toBe(EPERM);
  });

  it('leaves programs with threads, child processes and sockets working', () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      const { execFileSync } = require('node:child_process');
      const server = require('node:net').createServer((socket) => socket.end('net')).listen(0, '127.0.0.1', () => {
        require('node:net').connect(server.address().port, '127.0.0.1').on('data', (data) => {
          server.close();
          new Worker("require('node:worker_threads').parentPort.postMessage('thread')", { eval: true }).on('message', (message) => {
            console.log(String(data), message, execFileSync('sh', ['-c', 'echo child'], { encoding: 'utf8' }).trim());
          });
        });
      });`;
    const output = execFileSync(probe, [filter, 'run', process.execPath, '-e', script], { encoding: 'utf8', timeout: 300_000 });
    expect(output).toBe('net thread child\n');
  });
});
