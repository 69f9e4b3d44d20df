import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { Cgroup, type Container, type ContainerOptions, Namespace } from '../../../lib/index.js';
import { descendants, makerOfContainers, namespaceOf, readText, statusField } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live, outputOf } from '../../fixtures/live.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const joining = requires({ containers: true, groups: true, joinsPid: true, tools: ['busybox'] });

const NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'];
const CONFINEMENT = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters', 'Umask', 'Uid', 'Gid'];

/** A nice value above this process's own: nobody needs a right for that. */
const nicer = (by: number): number => Math.min(19, getPriority() + by);

/** Nice value, real-time priority and scheduling policy: the fields 19, 40 and 41 of proc_pid_stat(5). */
function schedulerOf(pid: number): (string | undefined)[] {
  const fields = (readText(`/proc/${pid}/stat`) ?? '').replace(/^.*\) /s, '').split(' ');
  return [fields[16], fields[37], fields[38]];
}

/** How the kernel sees a process: all that a program which joins is to have as the container's own program has it. */
function confinement(pid: number) {
  const status = readText(`/proc/${pid}/status`) ?? '';
  const root = statSync(`/proc/${pid}/root`);
  return {
    namespaces: Object.fromEntries(NAMESPACES.map((type) => [type, namespaceOf(pid, type)])),
    // a process without groups has an empty field
    groups: /^Groups:\t(.*)$/m.exec(status)?.[1]?.trim(),
    ...Object.fromEntries(CONFINEMENT.map((field) => [field, statusField(field, status)])),
    root: [root.dev, root.ino],
    mounts: readText(`/proc/${pid}/mountinfo`),
    limits: readText(`/proc/${pid}/limits`),
    oomScoreAdj: readText(`/proc/${pid}/oom_score_adj`),
    scheduler: schedulerOf(pid),
  };
}

/** The container's program: with an init of ours it is that one's child. */
function programOf(container: Container): number {
  return descendants(container.pid)[0]?.pid ?? container.pid;
}

/** The confinement of the container's program, and of one that joins it. */
async function both(container: Container): Promise<[unknown, unknown]> {
  const joined = container.exec(['sleep', '100000'], { reject: false });
  try {
    const pid = await joined.pid;
    await until('the program runs', () => readText(`/proc/${pid}/comm`) === 'sleep\n');
    await until("the container's program runs", () => readText(`/proc/${programOf(container)}/comm`) === 'sleep\n');
    return [confinement(pid), confinement(programOf(container))];
  } finally {
    await joined.kill();
    await joined;
  }
}

describe('what a program joins', () => {
  const variants: [string, ContainerOptions][] = [
    ['by default', {}],
    ['with an init of ours', { init: true }],
    ["in the host's network, ipc and uts namespaces", { network: 'host', namespaces: { ipc: 'host', uts: 'host' } }],
    ['with a read-only root and a tmpfs', { readOnly: true, tmpfs: { '/scratch': '' } }],
    ['with clocks of its own', { timeOffsets: { monotonic: 3_600_000, boottime: 7_200_000 } }],
    ['without no_new_privs', { noNewPrivileges: false }],
    ['without a filter', { seccomp: 'unconfined' }],
    ['with other capabilities', { capAdd: ['NET_RAW'], capDrop: ['CHOWN'] }],
    ['as a user with groups', { user: 'user', umask: 0o077 }],
    ['with ulimits, a scheduler and a score', { ulimits: { nofile: 64, core: 0 }, scheduler: { policy: 'idle' }, oomScoreAdj: 500 }],
    ['with a nice value', { scheduler: { policy: 'other', nice: nicer(5) } }],
    ['with limits', { memory: '64m', pidsLimit: 32, cpus: 0.5 }],
  ];
  const ofHost: typeof variants = [
    ["in the host's pid namespace", { namespaces: { pid: 'host' } }],
    ["in the host's cgroup namespace", { namespaces: { cgroup: 'host' } }],
  ];

  it.each([...variants, ...(isRoot ? ofHost : [])])('is as the container of its own program: %s', async (_, options) => {
    await using container = await live(options);
    const [joined, own] = await both(container);
    expect(joined).toEqual(own);
    expect(own).not.toEqual(confinement(process.pid));
  });

  asRoot.it('so it is where the pid namespace and the network are of others', async () => {
    await using other = await live();
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    await using container = await live({ namespaces: { pid }, network: other });
    const [joined, own] = await both(container);
    expect(joined).toEqual(own);
    expect(own).toMatchObject({ namespaces: { net: namespaceOf(other.pid, 'net'), pid: `pid:[${pid.inode}]` } });
  });

  joining.it('so it is where both are of another container', async () => {
    await using other = await live();
    await using pid = await other.namespace('pid');
    await using container = await live({ namespaces: { pid }, network: other });
    const [joined, own] = await both(container);
    expect(joined).toEqual(own);
    expect(own).toMatchObject({ namespaces: { net: namespaceOf(other.pid, 'net'), pid: namespaceOf(other.pid, 'pid') } });
  });

  it('so it is in a folder as the root', async () => {
    const rootfs = await busyboxRootfsCopy();
    try {
      await using container = await live({ rootfs, image: undefined });
      const [joined, own] = await both(container);
      expect(joined).toEqual(own);
      await outputOf(container, 'echo written > /by-exec');
      expect(readFileSync(join(rootfs, 'by-exec'), 'utf8')).toBe('written\n');
    } finally {
      rmSync(rootfs, { recursive: true });
    }
  });

  it('so it is below a group of the caller', async () => {
    await using parent = await Cgroup.create(`exec-test-${process.pid}`, { pidsLimit: 50 });
    await using container = await live({ cgroupParent: parent });
    const [joined, own] = await both(container);
    expect(joined).toEqual(own);
    expect((await parent.stats()).pids?.limit).toBe(50);
    // the limit of the parent binds what joins: it refuses a fork
    const { stderr } = await container.exec(['sh', '-c', 'for i in $(seq 100); do sleep 1000 & done'], { reject: false });
    expect(stderr).toMatch(/can't fork/);
  });

  it('are the masks and the read-only paths, its processes, and its clock', async () => {
    await using container = await live({ timeOffsets: { boottime: 1_000_000_000 } });
    const script = 'wc -c < /proc/keys; (echo x > /proc/sys/kernel/hostname) 2>&1 | grep -c -i read-only; ps -o pid,comm';
    const [keys, readOnly, ...processes] = (await outputOf(container, script)).split('\n');
    expect([keys, readOnly]).toEqual(['0', '1']);
    expect(processes.map((line) => line.trim().split(/\s+/)[1])).toEqual(['COMMAND', 'sleep', 'ps']);
    expect(Number((await outputOf(container, 'cat /proc/uptime')).split(' ')[0])).toBeGreaterThan(1_000_000);
  });

  it('is one place: files, processes and shared memory of one program are those of the others', async () => {
    await using container = await live();
    await container.exec(['sh', '-c', 'echo one > /tmp/file; mkfifo /tmp/pipe']);
    const reader = container.exec(['cat', '/tmp/pipe']);
    await container.exec(['sh', '-c', 'cat /tmp/file > /tmp/pipe']);
    expect((await reader).stdout).toBe('one\n');
  });
});

describe('what a program has of its own', () => {
  it('a user: by name, number, with a group, with the groups of the files, as they are now', async () => {
    await using container = await live();
    const ids = 'id -u; id -g; id -G; echo $HOME';
    const as = async (user: string | number) => (await outputOf(container, ids, { user })).split('\n');
    expect(await as('user')).toEqual(['1000', '1000', '1000 2000', '/home']);
    expect(await as('user:tty')).toEqual(['1000', '5', '5', '/home']);
    expect(await as(1000)).toEqual(['1000', '1000', '1000 2000', '/home']);
    expect(await as('1234:5')).toEqual(['1234', '5', '5', '/']);
    await container.exec(['sh', '-c', 'echo new:x:77:88::/srv: >> /etc/passwd; echo more:x:99:new >> /etc/group']);
    expect(await as('new')).toEqual(['77', '88', '88 99', '/srv']);
  });

  it("a folder, an environment and a umask; what is not given is the container's", async () => {
    await using container = await live({ cwd: '/usr', env: { A: 'container', B: 'container' }, umask: 0o027, user: 'user' });
    const script = 'pwd; umask; id -u; echo $A $B $C $HOME $HOSTNAME';
    const own = { cwd: '/tmp', umask: 0o077, user: 0, env: { B: 'exec', C: 'exec' } };
    const host = await outputOf(container, 'hostname');
    expect(await outputOf(container, script)).toBe(`/usr\n0027\n1000\ncontainer container /home ${host}`);
    expect(await outputOf(container, script, own)).toBe(`/tmp\n0077\n0\ncontainer exec exec /root ${host}`);
    expect(await outputOf(container, 'env', { env: { A: undefined } })).not.toMatch(/^A=/m);
  });

  it("Node's own environment only when asked for", async () => {
    await using container = await live();
    process.env.NACELLE_EXEC_TEST = 'here';
    try {
      expect(await outputOf(container, 'env')).not.toMatch(/NACELLE_EXEC_TEST/);
      expect(await outputOf(container, 'echo $NACELLE_EXEC_TEST $HOME', { extendEnv: true, env: { HOME: '/h' } })).toBe('here /h');
    } finally {
      delete process.env.NACELLE_EXEC_TEST;
    }
  });

  it('every right that this process has, when it is privileged, but no way around the filter', async () => {
    await using container = await live({ user: 'user', capDrop: ['ALL'] });
    const fields = async (options: Parameters<Container['exec']>[1]) => {
      const status = await outputOf(container, 'cat /proc/self/status', options);
      return ['CapEff', 'CapBnd', 'Seccomp', 'NoNewPrivs'].map((field) => statusField(field, status));
    };
    const none = '0'.repeat(16);
    expect(await fields({ user: 0 })).toEqual([none, none, '2', '1']);
    // an ordinary user has them all over what belongs to the containers' user namespace
    const last = BigInt(readText('/proc/sys/kernel/cap_last_cap') ?? 0);
    const all = isRoot ? statusField('CapEff') : ((2n << last) - 1n).toString(16).padStart(16, '0');
    expect(await fields({ user: 0, privileged: true })).toEqual([all, all, '2', '1']);
  });

  it('ulimits and a scheduler', async () => {
    await using container = await live({ ulimits: { nofile: 100, core: 0 } });
    const script = 'ulimit -n; ulimit -c; cut -d" " -f19 /proc/self/stat';
    const limits = { ulimits: { nofile: 50 }, scheduler: { policy: 'other', nice: nicer(7) } } as const;
    expect(await outputOf(container, script)).toBe(`100\n0\n${getPriority()}`);
    expect(await outputOf(container, script, { limits })).toBe(`50\n0\n${nicer(7)}`);
  });

  it('a session, and a session keyring', async () => {
    await using container = await live();
    expect(await outputOf(container, 'cut -d" " -f1,5,6 /proc/$$/stat; echo $$')).toMatch(/^(\d+) \1 \1\n\1$/);
  });
});

describe('the streams of a program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-exec-'));
  const file = join(folder, 'file');

  it('pipes: input, both outputs, lines, bytes', async () => {
    await using container = await live();
    const options = { input: 'in\n' };
    expect(await container.exec(['sh', '-c', 'cat; echo err >&2'], options)).toMatchObject({ stdout: 'in\n', stderr: 'err\n' });
    expect((await container.exec(['cat'], { input: Readable.from(['a', 'b']) })).stdout).toBe('ab');
    expect((await container.exec(['printf', '\\377'], { encoding: 'buffer' })).stdout).toEqual(Buffer.from([0xff]));
    const lines: string[] = [];
    for await (const line of container.exec(['seq', '3'])) lines.push(line);
    expect(lines).toEqual(['1', '2', '3']);
    const held = container.exec(['cat'], { stdin: 'pipe' });
    held.stdin?.end('typed');
    expect((await held).stdout).toBe('typed');
  });

  it('files, streams, numbers and none', async () => {
    await using container = await live();
    writeFileSync(file, 'content');
    expect((await container.exec(['cat'], { stdin: { file } })).stdout).toBe('content');
    await container.exec(['echo', 'written'], { stdout: { file } });
    await container.exec(['echo', 'more'], { stdout: { file, append: true } });
    expect(readFileSync(file, 'utf8')).toBe('written\nmore\n');
    const through = new PassThrough();
    const [, streamed] = await Promise.all([container.exec(['echo', 'streamed'], { stdout: through }), text(through)]);
    expect(streamed).toBe('streamed\n');
    const places = 'for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done';
    expect(await outputOf(container, places, { stderr: 'ignore' })).toMatch(/^\/dev\/null\npipe:\[\d+\]\n\/dev\/null$/);
    rmSync(folder, { recursive: true });
  });

  it('has no descriptor but the three', async () => {
    await using container = await live();
    for (const options of [{}, { stdin: 'pipe' }, { input: 'x' }] as const) {
      const execution = container.exec(['sleep', '100000'], options);
      const pid = await execution.pid;
      await until('the program runs', () => readText(`/proc/${pid}/comm`) === 'sleep\n');
      expect(readdirSync(`/proc/${pid}/fd`)).toEqual(['0', '1', '2']);
      await execution.kill();
      await execution;
    }
  });

  it('a user other than root may open them anew', async () => {
    await using container = await live();
    expect(await outputOf(container, 'echo out > /dev/stdout; echo err > /dev/stderr; echo done', { user: 'user' })).toBe('out\ndone');
  });
});

describe('its result', () => {
  it('has what it did, when, and what it took', async () => {
    await using container = await live();
    const before = Date.now();
    const result = await container.exec(['sh', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; exit 3'], { reject: false });
    expect(result).toMatchObject({
      status: 'nonzero-exit',
      exitCode: 3,
      failed: true,
      signal: null,
      command: ['sh', '-c', expect.any(String)],
    });
    expect(result.startedAt.getTime()).toBeGreaterThanOrEqual(before - 1);
    expect(result.usage.cpuTimeMs).toBeGreaterThan(0);
    expect(result.id).not.toBe(container.id);
    await expect(container.exec(['false'], { reject: true })).rejects.toMatchObject({ exitCode: 1 });
    expect(await container.exec(['sh', '-c', 'kill -TERM $$'])).toMatchObject({ status: 'signalled', signal: 'SIGTERM' });
  });

  it('counts nothing of the others', async () => {
    await using container = await live({ command: ['sh', '-c', 'while :; do :; done'] });
    const alone = (await container.exec(['true'])).usage.cpuTimeMs;
    await until('the container has used the processor', async () => (await container.stats()).cpuTimeMs > 300 + 20 * alone);
    const { usage } = await container.exec(['true']);
    expect(usage.cpuTimeMs).toBeLessThan((await container.stats()).cpuTimeMs / 2);
  });

  it('names the program that the shim has started: its pid', async () => {
    await using container = await live();
    const execution = container.exec(['sleep', '100000']);
    const pid = await execution.pid;
    expect(descendants(makerOfContainers() ?? 0).map((info) => info.pid)).toContain(pid);
    await execution.kill();
    expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
  });
});
