import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { Container, Namespace, type RunOptions, type RunResult } from '../../../lib/index.js';
import { descendants, makerOfContainers, readLink, statusField } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { traced } from '../../fixtures/strace.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const joining = requires({ containers: true, groups: true, joinsPid: true, tools: ['busybox'] });
const folder = temporaryFolder();
/** Processes of ours execute another file then, which lies on the disk (addon/shim/sanitize). */
const sanitized = process.env.NACELLE_SANITIZE === '1';
let files = 0;

/** A file of the host's. */
function hostFile(content: string): string {
  const path = join(folder, `file${files++}`);
  writeFileSync(path, content, { mode: 0o644 });
  return path;
}

/** For as long as `use` takes. */
async function withOpen<T>(path: string, flags: string | number, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, flags);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Runs with streams that are made of a file: by its path, or by a descriptor that is opened so. */
type Way = { readonly by: (file: string | number) => RunOptions; readonly flags: string | null };

async function runWith(script: string, path: string, { by, flags }: Way, options: RunOptions = {}): Promise<RunResult> {
  if (flags === null) return sh(script, { ...by(path), ...options });
  return withOpen(path, flags, (fd) => sh(script, { ...by(fd), ...options }));
}

const asStdin = (file: string | number): RunOptions => ({ stdin: typeof file === 'number' ? file : { file } });
const asStdout = (file: string | number): RunOptions => ({ input: '', stdout: typeof file === 'number' ? file : { file } });

const modeOf = (path: string): number => statSync(path).mode & 0o7777;
const idOf = (path: string): string => `${statSync(path).dev}:${statSync(path).ino}`;

describe("the host's null device", () => {
  const nothing = { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' } as const;
  const ids = 'for fd in 0 2; do stat -L -c %d:%i /proc/self/fd/$fd; done; stat -c %d:%i /dev/null';

  // an ordinary user's root is not the owner of any device
  asRoot.it("is never handed in: 'ignore' is the container's own, whose mode alone it may change", async () => {
    const [stdin, stderr, own] = (await output(ids, nothing)).split('\n');
    expect([stdin, stderr]).toEqual([own, own]);
    expect(own).not.toBe(idOf('/dev/null'));
  });

  it('nor by its descriptor, nor by its path', async () => {
    const both = (file: string | number): RunOptions => ({ ...asStdin(file), stderr: typeof file === 'number' ? file : { file } });
    for (const flags of ['r+', null]) {
      const { stdout } = await runWith(ids, '/dev/null', { by: both, flags });
      const [stdin, stderr, own] = stdout.split('\n');
      expect([stdin, stderr]).toEqual([own, own]);
    }
  });
});

/** All that root may try on its streams; each line fails or changes what is its own. */
const TRY_ALL = `
for fd in 0 1 2; do
  (echo EVIL > /proc/self/fd/$fd) 2>/dev/null
  (: >> /proc/self/fd/$fd) 2>/dev/null
  chmod 4755 /proc/self/fd/$fd 2>/dev/null
  chown 1234 /proc/self/fd/$fd 2>/dev/null
  touch -d @1 /proc/self/fd/$fd 2>/dev/null
  truncate -s 0 /proc/self/fd/$fd 2>/dev/null
done
mount -o remount,rw /proc/self/fd/0 2>/dev/null
`;

describe('a file of the host that is given as a stream', () => {
  it.each([
    ['by its path', null],
    ['by a descriptor to read from', 'r'],
    ['by a descriptor to read and write', 'r+'],
  ])('can be read from, %s, and nothing else', async (_, flags) => {
    const path = hostFile('what the caller wrote');
    const facts = (): unknown => {
      const { mode, uid, mtimeMs, ctimeMs } = statSync(path);
      return { mode, uid, mtimeMs, ctimeMs };
    };
    const before = facts();
    const { stdout } = await runWith(`cat; ${TRY_ALL}`, path, { by: asStdin, flags }, { stderr: 'ignore' });
    expect(stdout).toContain('what the caller wrote');
    expect(readFileSync(path, 'utf8')).toBe('what the caller wrote');
    expect(facts()).toEqual(before);
  });

  it('through a link or with capabilities over mounts too', async () => {
    const path = hostFile('untouched');
    await sh(TRY_ALL, { stdin: { file: path }, capAdd: ['SYS_ADMIN', 'FOWNER', 'LINUX_IMMUTABLE'] });
    expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['untouched', 0o644]);
  });

  it.each([
    ['by its path', null],
    ['by a descriptor', 'w'],
  ])('gets what is written, %s, and keeps its mode and owner', async (_, flags) => {
    const path = hostFile('');
    await runWith(`echo written; ${TRY_ALL}`, path, { by: asStdout, flags });
    expect(readFileSync(path, 'utf8')).toMatch(/^written\n/);
    expect([modeOf(path), statSync(path).uid]).toEqual([0o644, process.getuid?.()]);
  });

  it.each([
    ['append', null],
    ['a descriptor that appends', 'a+'],
  ])('with %s: what is in it can be neither read nor cut', async (_, flags) => {
    const path = hostFile('the log of others\n');
    const by = (file: string | number): RunOptions => ({ input: '', stdout: typeof file === 'number' ? file : { file, append: true } });
    const { stderr } = await runWith(`timeout 1 head -c 5 /proc/self/fd/1 >&2; echo mine; ${TRY_ALL}`, path, { by, flags });
    expect(stderr).not.toContain('the l');
    expect(readFileSync(path, 'utf8')).toMatch(/^the log of others\nmine\n/);
  });
});

describe('a descriptor that is more than a stream', () => {
  it('a folder is refused: by it the program would leave its root', async () => {
    await withOpen('/', constants.O_DIRECTORY | constants.O_RDONLY, async (fd) => {
      await expect(sh('ls /proc/self/fd/0/', { stdin: fd })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
      await expect(sh('true', { stdout: fd })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    });
  });

  it("a namespace's is read, not handed over", async () => {
    await using namespace = await Namespace.of('self', 'net');
    await expect(sh('readlink /proc/self/fd/0; cat', { stdin: namespace.fd })).rejects.toMatchObject({
      code: 'ERR_STREAM',
      stdout: expect.stringMatching(/^pipe:|^$/),
    });
  });

  it('a socket between Node and the shim is refused, under whatever number, where nothing confines the program too', async () => {
    await sh('true');
    // the kernel's own list: the sockets that keep messages apart, by their inodes
    const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
    const inodes = new Set(
      lines.map((line) => line.trim().split(/\s+/)).flatMap(([, , , , type, , inode]) => (type === '0005' ? [inode] : [])),
    );
    const own = readdirSync('/proc/self/fd').filter((fd) => inodes.has(readLink(`/proc/self/fd/${fd}`)?.match(/^socket:\[(\d+)\]$/)?.[1]));
    expect(own.length).toBeGreaterThanOrEqual(2);
    await using namespace = await Namespace.of('self', 'uts');
    for (const fd of own.map(Number)) {
      const error = { code: 'ERR_INVALID_OPTION', message: expect.stringContaining("nacelle's own") };
      await expect(sh('true', { stdin: fd })).rejects.toMatchObject(error);
      await expect(namespace.run(['true'], { stdin: fd })).rejects.toMatchObject(error);
    }
  });
});

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A root that two containers have: one as a volume, which it may write to. */
async function sharedRoot(): Promise<string> {
  const root = await busyboxRootfsCopy();
  roots.push(root);
  return root;
}

/** So much that copying it in takes a while. */
function slowFile(): string {
  const path = hostFile('');
  truncateSync(path, 192 << 20);
  return path;
}

describe('a root that another container may write to', () => {
  const LOOK = `
    for proc in /proc /moved; do
      (: >> $proc/sys/kernel/core_pattern) 2>/dev/null && echo $proc/sys can be written
      [ "$(head -c 1 $proc/timer_list 2>/dev/null | wc -c)" = 0 ] || echo $proc/timer_list can be read
      [ -e $proc/self/status ] && echo $proc is a proc
    done`;

  it('is not set up with /proc moved away meanwhile', async () => {
    const root = await sharedRoot();
    await using hostile = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', 'until [ -e /r/marker ]; do :; done; mv /r/proc /r/moved && mkdir /r/proc && echo moved'],
      volumes: [`${root}:/r`],
    });
    await hostile.start();
    const copyIn = { '/marker': 'now', '/slow': { source: slowFile() } };
    await expect(Container.run({ rootfs: root, command: ['sh', '-c', LOOK], copyIn })).rejects.toMatchObject({
      code: 'EXDEV',
      step: 'require_mount',
      path: '/proc',
    });
    expect((await hostile.wait()).stdout).toBe('moved\n');
  });

  it('keeps the masks of /proc wherever that is moved while it runs', async () => {
    const root = await sharedRoot();
    await using victim = await Container.create({ rootfs: root, command: ['sh', '-c', `read -r line; ${LOOK}`], stdin: 'pipe' });
    await victim.start();
    await sh('mv /r/proc /r/moved && mkdir /r/proc', { volumes: [`${root}:/r`] });
    victim.stdin?.end('look\n');
    expect((await victim.wait()).stdout).toBe('/moved is a proc\n');
  });

  it('leads no sysctl elsewhere by a link at /proc', async () => {
    const root = await sharedRoot();
    await using hostile = await Container.create({
      ...(await busybox()),
      command: [
        'sh',
        '-c',
        'until [ -e /r/marker ]; do :; done; mv /r/proc /r/moved && mkdir -p /r/proc/sys/net/ipv4 && ln -s /moved/sys/kernel/domainname /r/proc/sys/net/ipv4/ip_default_ttl && echo moved',
      ],
      volumes: [`${root}:/r`],
    });
    await hostile.start();
    const copyIn = { '/marker': 'now', '/slow': { source: slowFile() } };
    const options = { copyIn, sysctls: { 'net.ipv4.ip_default_ttl': '33' }, domainname: 'own' };
    await expect(Container.run({ rootfs: root, command: ['true'], ...options })).rejects.toMatchObject({
      code: 'EXDEV',
      step: 'require_mount',
    });
    expect((await hostile.wait()).stdout).toBe('moved\n');
  });
});

describe('a pid namespace that hostile processes are in', () => {
  joining.it('shows them nothing of the host while a container is set up in it', async () => {
    const secret = hostFile('of the host');
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    // what each process that comes shows: its root, its folder, its executable and what it has open
    const spy = `
      exec 3<&0; (read -r line <&3; : > /tmp/stop) &
      echo ready >&2
      while [ ! -e /tmp/stop ]; do
        for process in /proc/[0-9]*; do
          [ -e $process/root${secret} ] && echo "$process/root is the host's"
          [ -e $process/cwd${secret} ] && echo "$process/cwd is the host's"
          for fd in $process/fd/*; do [ -e "$fd${secret}" ] && echo "$fd is the host's"; done
          for fd in $process/fd/*; do [ -e "$fd/..${secret}" ] && echo "$fd leads to the host's"; done
        done
      done 2>/dev/null | sort -u`;
    await using hostile = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', spy],
      namespaces: { pid },
      capAdd: ['SYS_PTRACE'],
      stdin: 'pipe',
    });
    await hostile.start();
    for await (const said of hostile.stderr ?? []) if (String(said).includes('ready')) break;
    const slow = { copyIn: { '/slow': { source: slowFile() } }, namespaces: { pid } };
    for (const upper of ['tmpfs', 'disk'] as const) expect(await sh('true', { ...slow, upper })).toMatchObject({ status: 'ok' });
    hostile.stdin?.end('stop\n');
    const { stdout } = await hostile.wait();
    expect(stdout).toBe('');
  });

  it('is held by a process that has no right, no root, no descriptor, and can get none', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    const holder = descendants().find(({ pid: process }) => readLink(`/proc/${process}/ns/pid`) === `pid:[${pid.inode}]`);
    // from its first instructions on
    const status = await until('it has its filter', () => {
      const text = readFileSync(`/proc/${holder?.pid}/status`, 'utf8');
      return statusField('Seccomp', text) === '2' && text;
    });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect([set, BigInt(`0x${statusField(set, status)}`)]).toEqual([set, 0n]);
    expect(statusField('NoNewPrivs', status)).toBe('1');
    expect(readdirSync(`/proc/${holder?.pid}/fd`)).toEqual([]);
    expect(readdirSync(`/proc/${holder?.pid}/root`)).toEqual([]);
    // who traces it can have it make calls: those of its filter, in namespaces that are nobody's
    for (const type of ['net', 'ipc', 'uts', 'cgroup', 'mnt'])
      expect(readLink(`/proc/${holder?.pid}/ns/${type}`)).not.toBe(readLink(`/proc/self/ns/${type}`));
  });

  const withStrace = requires({ containers: true, groups: true, joinsPid: true, tools: ['busybox', 'strace'] });
  const ofOurInit = sanitized ? withStrace.it.skip : withStrace.it;
  ofOurInit('shows them nothing of our init from its first instruction on', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    const spy = `
      exec 3<&0; (read -r line <&3; : > /tmp/stop) &
      echo ready >&2
      while [ ! -e /tmp/stop ]; do
        for process in /proc/[0-9]*; do
          case "$(tr '\\0' ' ' < $process/cmdline)" in
            nacelle-init*) readlink $process/fd/0 > /dev/null && echo "$(tr '\\0' ' ' < $process/cmdline) shows what it has" ;;
          esac
        done
      done 2>/dev/null | sort -u`;
    await using hostile = await Container.create({ ...(await busybox()), command: ['sh', '-c', spy], namespaces: { pid }, stdin: 'pipe' });
    await hostile.start();
    for await (const said of hostile.stderr ?? []) if (String(said).includes('ready')) break;
    // init says that it is not dumpable; until it has there is only what the kernel made of its file
    const delays = [{ call: 'prctl', microseconds: 50_000 }];
    await traced(makerOfContainers() ?? -1, folder, { follow: true, delays }, () => sh('true', { init: true, namespaces: { pid } }));
    hostile.stdin?.end('stop\n');
    expect((await hostile.wait()).stdout).toBe('');
  });
});

describe("the shim's file", () => {
  // an ordinary user mounts nothing before there is a user namespace: the shim's file is a sealed memfd, and its owner may change its mode
  const ofTheFile = sanitized ? it.skip : asRoot.it;
  ofTheFile('can not be changed by whoever has it as an executable', async () => {
    const script = `
      for change in 'chmod 000' 'chmod 4777' 'chown 1234' 'touch -d @1' 'truncate -s 0'; do
        $change /proc/1/exe 2>/dev/null && echo "$change"
      done
      (echo EVIL > /proc/1/exe) 2>/dev/null && echo written
      stat -L -c %a /proc/1/exe`;
    const options = { init: true, capAdd: ['SYS_PTRACE', 'FOWNER', 'CHOWN'] };
    expect(await output(script, options)).toBe('111');
    expect(await output('echo still', options)).toBe('still');
  });

  asRoot.it('is on a mount of its own that nobody has, read-only', async () => {
    await sh('true');
    const pid = makerOfContainers() ?? -1;
    expect(statusField('Name', readFileSync(`/proc/${pid}/status`, 'utf8'))).toBe('nacelle-shim');
    expect(readLink(`/proc/${pid}/exe`)).toBe('/nacelle-shim');
    expect(() => execFileSync('chmod', ['755', `/proc/${pid}/exe`], { stdio: 'pipe' })).toThrow(/Read-only/);
  });
});
