import { createServer } from 'node:net';
import { constants } from 'node:os';
import { expect } from 'vitest';
import { Container, type RunOptions } from '../../../lib/index.js';
import { compile, compileShared } from '../../fixtures/compile.js';
import { readText, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { i386, native, refusedCalls, x32 } from '../../fixtures/refused-calls.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { findTool } from '../../fixtures/tools.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'gcc'] });
// the entries below are x86-64's
const x64 = requires({ containers: true, tools: process.arch === 'x64' ? ['busybox', 'gcc'] : ['busybox', 'gcc', 'an x86-64 processor'] });
const program = findTool('gcc') ? compile('probe') : '';
const seccompProbe = findTool('gcc') ? compile('seccomp-probe') : '';
const library = findTool('gcc') ? compileShared('open-fds') : '';

/** What each call answered inside: OK, the errno's name, or the signal that ended it. */
async function probe(names: string[], options: RunOptions = {}): Promise<Record<string, string>> {
  const result = await Container.run({
    ...(await busybox()),
    command: ['/probe', ...names],
    ...options,
    copyIn: { '/probe': { source: program, mode: 0o755 } },
  });
  const lines = result.stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]));
}

/** Podman's eleven: docker's fourteen less NET_RAW, MKNOD and AUDIT_WRITE. The bits of capability.h. */
const DEFAULT_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31];
const mask = (bits: number[]): string =>
  bits
    .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0');

describe('capabilities', () => {
  const capabilities = async (options: RunOptions = {}) => {
    const status = await output('cat /proc/self/status', options);
    return Object.fromEntries(
      ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs'].map((field) => [field, statusField(field, status)]),
    );
  };
  const none = mask([]);

  it('are the eleven, inheritable and ambient empty, no new privileges', async () => {
    const eleven = mask(DEFAULT_CAPABILITIES);
    expect(await capabilities()).toEqual({ CapInh: none, CapPrm: eleven, CapEff: eleven, CapBnd: eleven, CapAmb: none, NoNewPrivs: '1' });
  });

  it('a user other than root has none in effect', async () => {
    expect(await capabilities({ user: 'user' })).toEqual({
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: mask(DEFAULT_CAPABILITIES),
      CapAmb: none,
      NoNewPrivs: '1',
    });
  });

  it('capAdd and capDrop, with or without CAP_ and in any case', async () => {
    expect((await capabilities({ capAdd: ['NET_RAW'] })).CapEff).toBe(mask([...DEFAULT_CAPABILITIES, 13]));
    expect((await capabilities({ capAdd: ['cap_net_raw'], capDrop: ['CAP_KILL'] })).CapBnd).toBe(
      mask([...DEFAULT_CAPABILITIES.filter((bit) => bit !== 5), 13]),
    );
    expect((await capabilities({ capDrop: ['ALL'] })).CapBnd).toBe(none);
    expect((await capabilities({ capDrop: ['ALL'], capAdd: ['CHOWN'] })).CapEff).toBe(mask([0]));
  });

  it('noNewPrivileges: false', async () => {
    expect((await capabilities({ noNewPrivileges: false })).NoNewPrivs).toBe('0');
  });

  it('hold for what is run by init: true as well', async () => {
    const { CapEff, CapInh, NoNewPrivs } = await capabilities({ init: true });
    expect([CapEff, CapInh, NoNewPrivs]).toEqual([mask(DEFAULT_CAPABILITIES), none, '1']);
  });

  it('a set-user-id program gains nothing', async () => {
    const copyIn = { '/ids': { source: program, mode: 0o4755, uid: 0 } };
    expect(await output('/ids ids', { user: 'user', copyIn })).toBe('1000 1000');
    // The same program, where it may: so the test can fail.
    expect(await output('/ids ids', { user: 'user', copyIn, noNewPrivileges: false })).toBe('1000 0');
  });
});

describe('the default system call filter', () => {
  const denied = [
    'unshare-user',
    'unshare-mnt',
    'unshare-net',
    'clone-user',
    'setns',
    'mount',
    'mount-proc',
    'umount-mask',
    'remount-sys',
    'pivot_root',
    'fsopen',
    'open_tree',
    'move_mount',
    'mount_setattr',
    'keyctl',
    'add_key',
    'request_key',
    'bpf',
    'perf_event_open',
    'io_uring_setup',
    'userfaultfd',
    'af_alg',
    'af_vsock',
    'af_packet',
    'tiocsti',
    'tiocsti-high',
    'tioclinux',
    'reboot',
    'swapon',
    'init_module',
    'kexec_load',
    'sethostname',
    'mknod',
  ];

  it('is loaded', async () => {
    expect(statusField('Seccomp', await output('cat /proc/self/status'))).toBe('2');
    expect(statusField('Seccomp', await output('cat /proc/self/status', { seccomp: 'unconfined' }))).toBe('0');
  });

  it('refuses what a container has no need of', async () => {
    const answers = await probe(denied);
    expect(answers).toEqual(Object.fromEntries(denied.map((name) => [name, 'EPERM'])));
  });

  it('and does it by itself: with every capability of the default set gone or not', async () => {
    expect(await probe(['unshare-user', 'clone-user', 'keyctl', 'tiocsti'], { user: 'user' })).toEqual({
      'unshare-user': 'EPERM',
      'clone-user': 'EPERM',
      keyctl: 'EPERM',
      tiocsti: 'EPERM',
    });
  });

  it('clone3 is unknown, so that libc falls back', async () => {
    expect(await probe(['clone3'])).toEqual({ clone3: 'ENOSYS' });
  });

  it('lets ordinary calls through', async () => {
    expect(await probe(['af_inet', 'chown', 'tcgets'])).toEqual({ af_inet: 'OK', chown: 'OK', tcgets: 'ENOTTY' });
  });

  x64.it.each([
    ['syscall', native],
    ['int 0x80', i386],
    ['x32', x32],
  ] as const)('refuses every call of the table through %s, as root with the default capabilities', async (_, call) => {
    const calls = refusedCalls.map((row) => call(...row));
    const probed = await output(`/seccomp-probe - call ${calls.join(' ')}`, {
      copyIn: { '/seccomp-probe': { source: seccompProbe, mode: 0o755 } },
    });
    const answers = probed.split('\n').map(Number);
    expect(refusedCalls.map((row, index) => [...row, answers[index]])).toEqual(refusedCalls.map((row) => [...row, constants.errno.EPERM]));
  });

  it('allows what a capability of capAdd governs', async () => {
    const answers = await probe(['unshare-mnt', 'mount', 'sethostname'], { capAdd: ['SYS_ADMIN'] });
    expect(answers).toEqual({ 'unshare-mnt': 'OK', mount: 'OK', sethostname: 'OK' });
  });

  it('holds with noNewPrivileges: false too', async () => {
    expect(await probe(['unshare-user', 'keyctl'], { noNewPrivileges: false })).toEqual({ 'unshare-user': 'EPERM', keyctl: 'EPERM' });
  });

  it("seccomp: 'unconfined' refuses none of it, so the filter was it", async () => {
    const answers = await probe(['unshare-user', 'keyctl', 'tiocsti', 'clone3'], { seccomp: 'unconfined' });
    expect(answers).toMatchObject({ 'unshare-user': 'OK', tiocsti: 'ENOTTY', clone3: 'EINVAL' });
  });
});

describe('the kernel from inside', () => {
  it('no cgroup is writable, and no host setting', async () => {
    const mounts = (await output('cat /proc/self/mountinfo')).split('\n').filter((line) => / - cgroup2? /.test(line));
    for (const line of mounts) expect(line.split(' ')[5]?.split(',')).toContain('ro');
    for (const path of ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/panic_on_oom', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper']) {
      const before = readText(path);
      expect((await sh(`echo nacelle > ${path}`)).exitCode, path).not.toBe(0);
      expect(readText(path)).toBe(before);
    }
  });

  it("sysctls: the container's own namespaces, and the host keeps its values", async () => {
    const before = readText('/proc/sys/net/ipv4/ip_forward');
    const value = before?.trim() === '1' ? '0' : '1';
    expect(
      await output('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax', {
        sysctls: { 'net.ipv4.ip_forward': value, 'kernel.msgmax': '4242' },
      }),
    ).toBe(`${value}\n4242`);
    expect(readText('/proc/sys/net/ipv4/ip_forward')).toBe(before);
  });

  for (const [name, extra] of [
    ['kernel.core_pattern', {}],
    ['vm.swappiness', {}],
    ['kernel.hostname/../core_pattern', {}],
    ['net.ipv4.ip_forward', { network: 'host' }],
    ['kernel.msgmax', { namespaces: { ipc: 'host' } }],
  ] satisfies [string, RunOptions][]) {
    it(`sysctl ${name} of the host is refused ${JSON.stringify(extra)}`, async () => {
      await expect(sh('true', { ...extra, sysctls: { [name]: '1' } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    });
  }

  it("the host's abstract sockets are out of sight", async () => {
    const server = createServer();
    const name = `nacelle-test-abstract-${process.pid}`;
    await new Promise<void>((resolve) => server.listen(`\0${name}`, resolve));
    try {
      expect(readText('/proc/net/unix')).toContain(name);
      expect(await output('cat /proc/net/unix')).not.toContain(name);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("none of the parent's 500 inheritable descriptors comes along", async () => {
    const seen = await runNode<{ inheritable: number; inside: string }>('inherited-fds', [program, library]);
    expect(seen.inheritable).toBeGreaterThanOrEqual(500);
    expect(seen.inside.trim()).toBe('0 1 2');
  });
});
