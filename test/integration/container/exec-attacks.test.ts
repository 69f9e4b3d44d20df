import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, type ContainerOptions, NacelleError, type RunResult } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { makerOfContainers } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live, outputOf } from '../../fixtures/live.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { traced } from '../../fixtures/strace.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { findTool } from '../../fixtures/tools.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'gcc'] });
const asRoot = requires({ root: true, tools: ['busybox', 'gcc'] });
const attack = findTool('gcc') ? compile('attack') : '';
const folder = temporaryFolder();
const probe = findTool('gcc') ? compile('probe') : '';

/** A container whose process 1 is hostile, and has said that it is ready. */
async function hostile(args: string[], options: ContainerOptions = {}): Promise<Container<'utf8'>> {
  const copyIn = { '/attack': { source: attack, mode: 0o755 } };
  const container = await live({ copyIn, command: ['/attack', ...args], ...options });
  await new Promise<void>((resolve) => container.stdout?.once('readable', resolve));
  return container;
}

/** With each byte plus one: the hostile program knows the words, but has not the text itself. */
const encoded = (text: string): string => [...text].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 1)).join('');

/** Its result, or its error, which has to have a type. */
async function answer(call: Promise<RunResult>): Promise<RunResult | NacelleError> {
  return call.catch((error: unknown) => {
    if (error instanceof NacelleError) return error;
    throw error;
  });
}

describe('a hostile process 1', () => {
  it.each([
    ['in a pid namespace of its own', {}],
    ['with an init of ours', { init: true }],
  ])('that traces who joins sees nothing of the host, %s (CVE-2016-9962)', async (_, options) => {
    await using _other = await Container.create({ ...(await busybox()), command: ['true'], env: { KEY: 'the-secret-of-another' } });
    await using container = await hostile(['spy', encoded('the-secret-of-another')], { capAdd: ['SYS_PTRACE'], ...options });
    const secret = { env: { OWN: 'x' }, input: 'input' };
    for (let round = 0; round < rounds(40, 1000); round++) {
      const result = await container.exec(['cat'], secret);
      expect(result).toMatchObject({ status: 'ok', stdout: 'input' });
    }
    await container.kill();
    const { stdout } = await container.wait();
    const [first, ...seen] = stdout.trimEnd().split('\n');
    expect(first).toBe('spying');
    expect(seen).toContain('caught');
    expect(new Set(seen)).toEqual(new Set(['caught']));
  });

  it('that kills all it sees harms nobody else', async () => {
    await using beside = await live();
    await using container = await hostile(['kill', 'all']);
    for (let round = 0; round < rounds(3, 50); round++) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => answer(container.exec(['sleep', '0.05']))));
      for (const end of answers) {
        if (end instanceof NacelleError) expect(end.code).toBe('ECHILD');
        else expect(['ok', 'signalled']).toContain(end.status);
      }
    }
    expect(container.state).toBe('running');
    expect(await beside.exec(['true'])).toMatchObject({ status: 'ok' });
  });

  it('that stops all it sees keeps nobody from a time-out or a cancel', async () => {
    await using container = await hostile(['freeze', 'all']);
    const ends = await Promise.all([
      answer(container.exec(['sleep', '100000'], { timeout: 300 })),
      answer(container.exec(['sleep', '100000'], { cancelSignal: AbortSignal.timeout(300) })),
    ]);
    const told = ends.map((end) => (end instanceof NacelleError ? end.code : end.status));
    expect(['timeout', 'ETIMEDOUT']).toContain(told[0]);
    expect(told[1]).toBe('canceled');
  });

  it('that forks without end leaves each call an answer, and can be killed', async () => {
    await using container = await hostile(['bomb'], { pidsLimit: 40 });
    for (let round = 0; round < rounds(5, 50); round++) {
      const end = await answer(container.exec(['true'], { timeout: 20_000 }));
      expect(end instanceof NacelleError ? end.code : end.status).toMatch(/^(?:ok|EAGAIN)$/);
    }
    await container.kill();
    expect(await container.wait()).toMatchObject({ signal: 'SIGKILL' });
  });
});

/** The file of the shim that makes containers: its digest or, for an ordinary user, who may not read it, what the kernel says of it. */
function executed(): unknown {
  const path = `/proc/${makerOfContainers()}/exe`;
  if (isRoot) return createHash('sha256').update(readFileSync(path)).digest('hex');
  const { ino, size, mode, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return { ino, size, mode, mtimeNs, ctimeNs };
}

describe('the file that the joining process executes (CVE-2019-5736)', () => {
  it.each([
    ['as the program', ['/proc/self/exe']],
    ['as the interpreter of a script', ['/script']],
    ['by a link', ['/link']],
  ])('is not to be written to, %s', async (_, command) => {
    await using container = await live({ copyIn: { '/attack': { source: attack, mode: 0o755 } } });
    await outputOf(container, "printf '#!/proc/self/exe\\n' > /script; chmod 755 /script; ln -s /proc/self/exe /link");
    const shim = executed();
    const end = await answer(container.exec(command, { timeout: 5_000 }));
    // the shim knows no such arguments
    if (!(end instanceof NacelleError)) expect(end.failed).toBe(true);
    expect(executed()).toEqual(shim);
    expect(await container.exec(['true'])).toMatchObject({ status: 'ok' });
  });

  asRoot.it("is not to be had where the host's processes are seen", async () => {
    const copyIn = { '/attack': { source: attack, mode: 0o755 } };
    await using container = await live({ copyIn, namespaces: { pid: 'host' }, capAdd: ['SYS_PTRACE'] });
    const { stdout } = await container.exec(['/attack', 'overwrite', `/proc/${makerOfContainers()}/exe`]);
    expect(stdout).toBe('refused\n');
  });
});

describe('a folder to work in (CVE-2024-21626)', () => {
  it.each([
    ['', {}],
    ...(isRoot ? [[" in the host's pid namespace", { namespaces: { pid: 'host' } }] satisfies [string, ContainerOptions]] : []),
  ] satisfies [string, ContainerOptions][])('that is one of the descriptors leads nowhere but into the container%s', async (_, options) => {
    await using container = await live(options);
    const own = await outputOf(container, 'stat -c %d:%i /');
    for (let fd = 0; fd < 40; fd++) {
      for (const cwd of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../..`]) {
        const end = await answer(container.exec(['sh', '-c', 'cd ../../../../../..; stat -c %d:%i .; pwd'], { cwd }));
        if (end instanceof NacelleError) expect(end.code).toMatch(/^(?:ENOENT|ENOTDIR|EXDEV|EACCES|ELOOP)$/);
        else expect(end.stdout).toBe(`${own}\n/\n`);
      }
    }
  });

  asRoot.it("that is a root of the host's is refused", async () => {
    await using container = await live({ namespaces: { pid: 'host' }, capAdd: ['SYS_PTRACE'] });
    for (const cwd of ['/proc/1/root', '/proc/1/cwd', `/proc/${process.pid}/cwd`, `/proc/${process.pid}/root/etc`]) {
      await expect(container.exec(['true'], { cwd })).rejects.toMatchObject({ syscall: 'chdir' });
    }
  });
});

describe('a null device that is none', () => {
  const replacements: [string, string, ContainerOptions][] = [
    ['a FIFO', 'mkfifo /dev/null', {}],
    ['a regular file', 'touch /dev/null', {}],
    ['a link', 'ln -s /etc/passwd /dev/null', {}],
    ['a link to a FIFO', 'mkfifo /tmp/fifo; ln -s /tmp/fifo /dev/null', {}],
    ['another device', 'mknod /dev/null c 1 5', { capAdd: ['MKNOD'] }],
    ['a folder', 'mkdir /dev/null', {}],
    ['nothing', 'true', {}],
  ];
  // of an ordinary user's containers it is a mount, which nobody inside takes away
  asRoot.it.each(replacements)('but %s is refused for every stream, and never written to', async (_, replace, options) => {
    await using container = await live(options);
    await container.exec(['sh', '-c', `rm /dev/null; ${replace}`], { stdin: 'pipe' });
    const piped = { input: '' };
    const before = await outputOf(container, 'cat /etc/passwd', piped);
    for (const streams of [{}, { ...piped, stdout: 'ignore' }, { ...piped, stderr: 'ignore' }] as const) {
      const end = await answer(container.exec(['sh', '-c', 'echo out; echo err >&2'], { ...streams, timeout: 20_000 }));
      expect(end).toMatchObject({ name: 'SyscallError', message: expect.stringContaining('/dev/null') });
    }
    expect(await outputOf(container, 'cat /etc/passwd', piped)).toBe(before);
    const written = 'test -f /dev/null && ! test -L /dev/null && test -s /dev/null && echo written; true';
    expect(await outputOf(container, written, piped)).toBe('');
  });
});

describe('accounts that are none', () => {
  it.each([
    ['a FIFO', 'mkfifo /etc/passwd', 'user'],
    ['endless', 'dd if=/dev/zero of=/etc/passwd bs=1 count=0 seek=4G 2>/dev/null', 'user'],
    ['a device', 'ln -s /dev/zero /etc/passwd', 'user'],
    ['a loop', 'ln -s /etc/passwd /etc/passwd', 'user'],
    ['a link out by magic', 'ln -s /proc/1/root/etc/passwd /etc/passwd', 'user'],
    ['missing', 'true', 'user'],
  ])('%s: a name is refused, numbers are not', async (_, replace, user) => {
    await using container = await live({ user: '0:0' });
    await container.exec(['sh', '-c', `rm /etc/passwd; ${replace}`]);
    await expect(container.exec(['true'], { user, timeout: 20_000 })).rejects.toMatchObject({ name: 'SyscallError' });
    const uid = await outputOf(container, 'grep ^Uid /proc/self/status', { user: '7:8', timeout: 20_000 });
    expect(uid).toBe('Uid:\t7\t7\t7\t7');
  });

  it('a link to elsewhere in the container is that file', async () => {
    await using container = await live();
    await container.exec(['sh', '-c', 'mv /etc/passwd /tmp/passwd; ln -s /../../tmp/passwd /etc/passwd']);
    expect(await outputOf(container, 'id -u', { user: 'user' })).toBe('1000');
  });
});

describe('the confinement of what joins', () => {
  it('answers each call as for the own program of the container', async () => {
    const calls = [
      'unshare-user',
      'clone-user',
      'clone3',
      'setns',
      'mount',
      'umount-mask',
      'keyctl',
      'bpf',
      'userfaultfd',
      'af_alg',
      'reboot',
    ];
    const copyIn = { '/probe': { source: probe, mode: 0o755 } };
    const own = await Container.run({ ...(await busybox()), copyIn, command: ['/probe', ...calls] });
    await using container = await live({ copyIn });
    expect((await container.exec(['/probe', ...calls])).stdout).toBe(own.stdout);
    await using free = await live({ copyIn, seccomp: 'unconfined' });
    expect((await free.exec(['/probe', ...calls])).stdout).not.toBe(own.stdout);
  });

  requires({ containers: true, groups: true, tools: ['busybox', 'strace'] }).it(
    'has the shim take no descriptors from its first process on',
    async () => {
      await using container = await live();
      const options = { follow: false, trace: ['setsockopt', 'clone3'] };
      const { lines } = await traced(makerOfContainers() ?? -1, folder, options, () => container.exec(['true']));
      // SO_PASSRIGHTS, 83, which strace may not know
      const refused = lines.findIndex((line) => /^setsockopt\(\d+, SOL_SOCKET, (?:SO_PASSRIGHTS|0x53 .*), \[0\]/.test(line));
      expect(refused).toBeGreaterThanOrEqual(0);
      expect(refused).toBeLessThan(lines.findIndex((line) => line.startsWith('clone3')));
    },
  );
});
