import { Readable } from 'node:stream';
import { expect } from 'vitest';
import { Container, type DenialEvent, type SeccompProfile } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { makerOfContainers, processes, processInfo, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { traced } from '../../fixtures/strace.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['python3', 'bash'] });
const asRoot = requires({ root: true, tools: ['python3', 'bash'] });
const folder = temporaryFolder();

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

  const late = requires({ containers: true, groups: true, tools: ['busybox', 'strace'] });
  late.it('may begin after the program has ended', async () => {
    const denials: DenialEvent[] = [];
    await Container.run(make);
    // the shim looks at the process that answers by waitid
    const delays = [{ call: 'waitid', microseconds: 300_000 }];
    const { value } = await traced(makerOfContainers() ?? -1, folder, { follow: false, delays }, () =>
      Container.run({
        ...make,
        command: ['busybox', 'mkdir', '/t/folder'],
        seccomp: folders('SCMP_ACT_ERRNO'),
        onDenied: (event) => denials.push(event),
      }),
    );
    expect(value).toMatchObject({ exitCode: 1 });
    expect(denials).toMatchObject([{ paths: ['/t/folder'], errno: 'EACCES' }]);
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
    await until('both are told', () => denials.length === 2);
    expect(denials.map(({ paths }) => paths)).toEqual([['/t/x'], ['/t/x']]);
  });

  it('goes on while the process that is told stands still, and when it has gone', async () => {
    const maker = startNode('denied-detached');
    const { value: id } = await maker.lines.next();
    expect(await maker.lines.next()).toMatchObject({ value: '/t/x' });
    maker.process.kill('SIGSTOP');
    const container = await Container.attach(String(id));
    const refused = (container.stdout ?? Readable.from([]))[Symbol.asyncIterator]();
    for (let count = 0; count < 3; count++) expect(String((await refused.next()).value)).toContain('refused');
    maker.process.kill('SIGKILL');
    await maker.ended;
    for (let count = 0; count < 3; count++) expect(String((await refused.next()).value)).toContain('refused');
    // closes the log, which goes with the container
    await refused.return?.();
  });

  it('answers as the filter itself does', async () => {
    const test = (value: number, errnoRet: number) => ({
      names: ['personality'],
      action: 'SCMP_ACT_ERRNO' as const,
      errnoRet,
      args: [{ index: 0, value, op: 'SCMP_CMP_GE' as const }],
    });
    const seccomp: SeccompProfile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: everywhere,
      syscalls: [
        test(0x8000_0000, 5),
        test(0x10_0000, 38),
        { ...test(0x2_0000, 7), args: [{ index: 0, value: 3, valueTwo: 2, op: 'SCMP_CMP_MASKED_EQ' }] },
      ],
    };
    const script = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for value in (0, 2, 3, 6, 0xfffff, 0x100000, 0x7fffffff, 0x80000002, 0xffffffff):
  print(libc.personality(ctypes.c_ulong(value)) < 0 and ctypes.get_errno())`;
    const denials: DenialEvent[] = [];
    const options = { image: 'host', command: ['python3', '-c', script], seccomp };
    const alone = await Container.run(options);
    const asked = await Container.run({ ...options, onDenied: (event) => denials.push(event) });
    expect(asked.stdout).toBe(alone.stdout);
    // what was refused but for ENOSYS, in its order
    expect(denials.map(({ args: [first] }) => first)).toEqual([2n, 6n, 0x8000_0002n, 0xffff_ffffn]);
  });

  it('reads the memory of another user, whose program may gain nothing and may', async () => {
    for (const noNewPrivileges of [true, false]) {
      const denials: DenialEvent[] = [];
      const seccomp = folders('SCMP_ACT_ERRNO');
      await Container.run({ ...make, user: '65534', noNewPrivileges, seccomp, onDenied: (event) => denials.push(event) });
      expect(denials.map(({ paths }) => paths)).toEqual([['/t/folder']]);
    }
  });

  // only root is told of the faults of system calls (userfaultfd(2))
  asRoot.it('holds up nobody but the program whose memory never comes', async () => {
    const userfaultfd = process.arch === 'arm64' ? 282 : 323;
    const script = `
import ctypes, fcntl, mmap, struct
libc = ctypes.CDLL(None)
fd = libc.syscall(${userfaultfd}, 0)
fcntl.ioctl(fd, 0xc018aa3f, bytearray(struct.pack('QQQ', 0xaa, 0, 0)))
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
at = ctypes.addressof(ctypes.c_char.from_buffer(page))
fcntl.ioctl(fd, 0xc020aa00, bytearray(struct.pack('QQQQ', at, 4096, 1, 0)))
print('asks', flush=True)
libc.mkdir(ctypes.c_void_p(at), 0)
print('is answered', flush=True)`;
    const options = { ...make, seccomp: folders('SCMP_ACT_ERRNO'), capAdd: ['SYS_PTRACE'], onDenied: () => undefined };
    await using container = await Container.create({ ...options, command: ['python3', '-c', script] });
    await container.start();
    for await (const text of container.stdout ?? []) if (String(text).includes('asks')) break;
    const answerer = await answererOf(container);
    const processVmReadv = process.arch === 'arm64' ? '270 ' : '310 ';
    await until('the memory is read', () => readText(`/proc/${answerer}/syscall`)?.startsWith(processVmReadv));
    // the same shim goes on
    expect(await Container.run({ image: 'host', command: ['true'] })).toMatchObject({ exitCode: 0 });
    expect(await container.exec(['true'])).toMatchObject({ exitCode: 0 });
    await container.kill();
    expect(await container.wait()).toMatchObject({ signal: 'SIGKILL', stdout: 'asks\n' });
  });

  it('goes on for what a program that was to leave something has left, and ends with that', async () => {
    await using container = await Container.create({
      ...make,
      command: ['sleep', '1000'],
      seccomp: folders('SCMP_ACT_KILL_PROCESS'),
    });
    await container.start();
    await answererOf(container);
    const left = 'until [ -e /t/go ]; do sleep 0.01; done; mkdir /t/x; echo $? > /t/status.new; mv /t/status.new /t/status';
    await container.exec(['sh', '-c', `(${left}) > /dev/null 2>&1 &`], { detach: true });
    await until('the program has ended', async () => !(await container.exec(['pidof', 'sh'])).stdout.includes(' '));
    await until("the program's answerer is there", () => denialsOf(container).length === 2);
    await container.exec(['touch', '/t/go']);
    // 128 and SIGSYS: ENOSYS would be 1
    const status = await until('its call is answered', async () => (await container.exec(['cat', '/t/status'])).stdout || null);
    expect(status).toBe('159\n');
    await until('its answerer has ended', () => denialsOf(container).length === 1);
  });

  it('is refused with a profile that may refuse the hand-over of the listener', async () => {
    const rule = { names: ['sendmsg'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 1_000_000, op: 'SCMP_CMP_LT' }] } as const;
    const seccomp: SeccompProfile = { defaultAction: 'SCMP_ACT_ALLOW', architectures: everywhere, syscalls: [rule] };
    await expect(Container.run({ ...make, seccomp, onDenied: () => undefined })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('sendmsg'),
    });
  });

  it('ends the container when nobody answers any more', async () => {
    await using container = await Container.create({ ...make, command: ['sleep', '1000'], seccomp: folders('SCMP_ACT_KILL') });
    await container.start();
    process.kill(await answererOf(container), 'SIGKILL');
    await expect(container.wait()).rejects.toThrow(/the process that answers refused calls has died/);
  });
});

/** The process that answers the refused calls of a container. It has its name some moments after the program has begun. */
async function answererOf(container: Container): Promise<number> {
  return until('the calls have who answers them', () => denialsOf(container)[0]);
}

/** The processes that answer refused calls for the shim of a container. */
function denialsOf({ pid }: Container): number[] {
  const shim = processInfo(pid)?.parent;
  return processes()
    .filter(({ parent, command }) => parent === shim && command === 'nacelle-denials')
    .map((process) => process.pid);
}
