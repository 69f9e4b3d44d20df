import { expect } from 'vitest';
import { Container, type DenialEvent, type SeccompProfile } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['python3', 'bash'] });

const everywhere = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64'];
const folders = (action: 'SCMP_ACT_ERRNO' | 'SCMP_ACT_NOTIFY' | 'SCMP_ACT_KILL' | 'SCMP_ACT_KILL_PROCESS'): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: everywhere,
  syscalls: [{ names: ['mkdir', 'mkdirat'], action, ...(action === 'SCMP_ACT_ERRNO' ? { errnoRet: 13 } : {}) }],
});
const make = { image: 'host', command: ['mkdir', '/t/folder'], tmpfs: { '/t': 'mode=1777' }, env: { LC_ALL: 'C' } } as const;

describe('onDenied', () => {
  useDetached();

  it('tells of each refused call, with its path', async () => {
    const denials: DenialEvent[] = [];
    const result = await Container.run({ ...make, seccomp: folders('SCMP_ACT_ERRNO'), onDenied: (event) => denials.push(event) });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Permission denied') });
    expect(denials).toHaveLength(1);
    expect(denials[0]).toMatchObject({
      call: expect.stringMatching(/^mkdir(at)?$/),
      paths: ['/t/folder'],
      address: null,
      errno: 'EACCES',
      killed: false,
      lost: 0,
    });
  });

  it('tells of those of a program that joins, with addresses, and of SCMP_ACT_NOTIFY', async () => {
    const denials: DenialEvent[] = [];
    const onDenied = (event: DenialEvent) => denials.push(event);
    const seccomp = folders('SCMP_ACT_NOTIFY');
    await using container = await Container.create({ image: 'host', command: ['sleep', '1000'], tmpfs: make.tmpfs, seccomp, onDenied });
    await container.start();
    expect(await container.exec(['mkdir', '/t/joined'])).toMatchObject({ exitCode: 1 });
    expect(denials.map(({ paths, errno }) => [paths, errno])).toEqual([[['/t/joined'], 'EPERM']]);
    expect(await container.exec(['ls', '/t'])).toMatchObject({ exitCode: 0, stdout: '' });
    await expect(Container.run({ ...make, seccomp })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('tells where a program would have connected to', async () => {
    const denials: DenialEvent[] = [];
    const rule = { names: ['connect'], action: 'SCMP_ACT_ERRNO', errnoRet: 111 } as const;
    const seccomp: SeccompProfile = { defaultAction: 'SCMP_ACT_ALLOW', architectures: everywhere, syscalls: [rule] };
    const command = ['bash', '-c', 'exec 3<>/dev/tcp/192.0.2.7/8080'];
    await Container.run({ image: 'host', command, seccomp, onDenied: (event) => denials.push(event) });
    const addresses = denials.map(({ call, address, errno }) => [call, address, errno]);
    expect(addresses).toContainEqual(['connect', '192.0.2.7:8080', 'ECONNREFUSED']);
    // the library asks for names first
    expect(addresses.every(([, address]) => address === '192.0.2.7:8080' || address === 'unix:/var/run/nscd/socket')).toBe(true);
  });

  it('tells of what the default list refuses, and not of ENOSYS', async () => {
    const denials: DenialEvent[] = [];
    const script = 'import ctypes, threading\nthreading.Thread(target=print).start()\nctypes.CDLL(None).mount(b"/a", b"/b", None, 0, None)';
    const result = await Container.run({
      image: 'host',
      command: ['python3', '-c', script],
      onDenied: (event) => denials.push(event),
    });
    expect(result).toMatchObject({ exitCode: 0 });
    expect(denials.map(({ call, paths, errno }) => [call, paths, errno])).toEqual([['mount', ['/a', '/b'], 'EPERM']]);
  });

  it('does not hold up a program that does nothing else, and counts what it leaves out', async () => {
    const denials: DenialEvent[] = [];
    const script = 'import os\nfor i in range(3000):\n  try: os.mkdir("/t/x")\n  except PermissionError: pass\n';
    const result = await Container.run({
      ...make,
      command: ['python3', '-c', script],
      seccomp: folders('SCMP_ACT_ERRNO'),
      onDenied: (event) => denials.push(event),
    });
    expect(result).toMatchObject({ exitCode: 0 });
    expect(denials.length).toBeGreaterThanOrEqual(256);
    expect(denials.length).toBeLessThan(3000);
  });

  it('names the call that a program was killed for', async () => {
    for (const action of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS'] as const) {
      for (const init of [false, true]) {
        const result = await Container.run({ ...make, seccomp: folders(action), init });
        expect(result).toMatchObject({ signal: 'SIGSYS', status: 'syscall-violation' });
        expect(result.reason).toMatch(/the system call mkdir(at)?, which its filter forbids/);
      }
    }
  });

  it('has a program killed that has a handler for SIGSYS, also one that joins, and leaves its parent alone', async () => {
    const handled = 'import os, signal\nsignal.signal(signal.SIGSYS, lambda *_: None)\nos.mkdir("/t/x")\nprint("lives")';
    const killed = { signal: 'SIGSYS', status: 'syscall-violation', stdout: '' };
    const options = { ...make, seccomp: folders('SCMP_ACT_KILL_PROCESS') };
    for (const init of [false, true]) {
      expect(await Container.run({ ...options, command: ['python3', '-c', handled], init })).toMatchObject(killed);
    }
    await using container = await Container.create({ ...options, command: ['sleep', '1000'] });
    await container.start();
    const joined = await container.exec(['python3', '-c', handled]);
    expect(joined).toMatchObject(killed);
    expect(joined.reason).toMatch(/mkdir/);
    // 128 and SIGSYS
    expect(await container.exec(['sh', '-c', 'mkdir /t/x; echo $?'])).toMatchObject({ exitCode: 0, stdout: '159\n' });
  });

  it('goes on for a detached container, whoever runs programs there, and after another start', async () => {
    const seccomp = folders('SCMP_ACT_ERRNO');
    const denials: DenialEvent[] = [];
    const command = ['sh', '-c', 'mkdir /t/x; echo $?; sleep 1000'];
    const options = { image: 'host', command, tmpfs: make.tmpfs, seccomp, detach: true } as const;
    const container = await Container.create({ ...options, onDenied: (event) => denials.push(event) });
    await container.start();
    const attached = await Container.attach(container.id);
    expect(await attached.exec(['mkdir', '/t/y'])).toMatchObject({ exitCode: 1 });
    await attached.restart({ timeout: 0 });
    await until(() => denials.length === 2);
    expect(denials.map(({ paths }) => paths)).toEqual([['/t/x'], ['/t/x']]);
  });
});

/** Waits for what a message tells. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
