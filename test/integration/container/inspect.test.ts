import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, type ContainerInspect, type ContainerOptions, Image, Namespace, Volume } from '../../../lib/index.js';
import { fileOf, useDetached } from '../../fixtures/detached.js';
import { namespaceOf, readText, statusField } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const folder = temporaryFolder();
useNewStore(folder);
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'tar'] });
const asRoot = requires({ root: true, tools: ['busybox', 'tar'] });

const NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;

/** As many options as go together. */
const many: ContainerOptions = {
  entrypoint: ['sleep'],
  command: ['1000'],
  name: 'inspected',
  labels: { of: 'a test' },
  hostname: 'box',
  domainname: 'example',
  env: { A: 'b=c' },
  cwd: '/work',
  user: 'user',
  groupAdd: ['tty', 77],
  umask: 0o027,
  memory: '64m',
  ulimits: { nofile: { soft: 64, hard: 128 }, core: 0 },
  tmpfs: { '/scratch': 'size=1m,mode=1777' },
  volumes: ['/own'],
  capAdd: ['NET_RAW'],
  capDrop: ['CHOWN'],
  maskedPaths: ['/proc/kcore', '/proc/version'],
  readonlyPaths: ['/proc/sys'],
  sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '4096' },
  devices: ['/dev/zero:/dev/nothing:r'],
  dns: ['192.0.2.1'],
  extraHosts: { db: '192.0.2.2' },
  hostPorts: [5432],
  namespaces: { cgroup: 'host' },
  upperSize: '8m',
  timeOffsets: { monotonic: 86_400_000 },
  oomScoreAdj: 321,
  killSignal: 'SIGTERM',
  forceKillAfterDelay: 7000,
  // the first check comes soon, and none after its success
  healthcheck: { test: ['CMD-SHELL', 'true'], interval: 3_600_000, startPeriod: 3_600_000, startInterval: 20 },
  restart: { on: 'failure', maxRetries: 2 },
};

async function running(options: ContainerOptions): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), ...options });
  await container.start();
  await until('its program runs', () => readText(`/proc/${container.pid}/comm`) === 'sleep\n');
  return container;
}

/** What the kernel says of the program, beside what is told of it. */
async function expectTrue(container: Container, shown: ContainerInspect): Promise<void> {
  const { pid, process, options } = shown;
  const status = readText(`/proc/${pid}/status`) ?? '';
  const number = (field: string, base = 10): number => Number.parseInt(statusField(field, status), base);
  const limits = readText(`/proc/${pid}/limits`) ?? '';
  const mounts = (readText(`/proc/${pid}/mountinfo`) ?? '').split('\n').map((line) => line.split(' '));
  const optionsAt = (path: string) => mounts.findLast((fields) => fields[4] === path);
  expect((readText(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1)).toEqual(shown.command);
  expect(shown.command.slice(0, options?.entrypoint.length)).toEqual(options?.entrypoint);
  expect((readText(`/proc/${pid}/environ`) ?? '').split('\0')).toEqual(
    expect.arrayContaining(Object.entries(process.env).map(([name, value]) => `${name}=${value}`)),
  );
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(process.cwd);
  expect(number('Umask', 8)).toBe(process.umask);
  expect(number('NoNewPrivs')).toBe(process.noNewPrivileges ? 1 : 0);
  expect(number('Seccomp')).toBe(process.seccomp === 'default' ? 2 : 0);
  const bounding = BigInt(`0x${statusField('CapBnd', status)}`)
    .toString(2)
    .replaceAll('0', '').length;
  expect(process.capabilities).toHaveLength(bounding);
  const { nofile } = shown.limits.ulimits ?? {};
  if (typeof nofile === 'object') expect(limits).toMatch(new RegExp(`Max open files\\s+${nofile.soft}\\s+${nofile.hard}\\s`));
  for (const type of NAMESPACES) {
    expect([type, namespaceOf(pid, type) === namespaceOf('self', type)]).toEqual([type, options?.namespaces[type] === 'host']);
  }
  for (const [name, value] of Object.entries(options?.sysctls ?? {})) {
    expect((await container.exec(['cat', `/proc/sys/${name.replaceAll('.', '/')}`])).stdout.trim()).toBe(value);
  }
  for (const path of (options?.maskedPaths ?? []).filter(existsSync))
    expect([path, optionsAt(path)?.at(-3)]).not.toEqual([path, undefined]);
  for (const path of (options?.readonlyPaths ?? []).filter(existsSync)) expect(optionsAt(path)?.[5]).toMatch(/^ro/);
  for (const { target } of [...shown.mounts, ...Object.keys(options?.tmpfs ?? {}).map((target) => ({ target }))]) {
    expect([target, optionsAt(target) !== undefined]).toEqual([target, true]);
  }
  for (const device of options?.devices ?? []) {
    expect(lstatSync(`/proc/${pid}/root${device.target}`).rdev).toBe(lstatSync(device.path).rdev);
  }
  if (options?.oomScoreAdj != null) expect(readText(`/proc/${pid}/oom_score_adj`)).toBe(`${options.oomScoreAdj}\n`);
  if (options?.timeOffsets) {
    const { monotonic, boottime } = options.timeOffsets;
    const seconds = new RegExp(`^monotonic +${monotonic / 1000} +0\nboottime +${boottime / 1000} +0$`, 'm');
    expect(readText(`/proc/${pid}/timens_offsets`)).toMatch(seconds);
  }
  expect((await container.exec(['hostname'])).stdout.trim()).toBe(options?.hostname);
  expect(Number(shown.startedAt)).toBeGreaterThanOrEqual(Number(shown.createdAt));
}

describe('inspect()', () => {
  asRoot.it('tells the options as they were resolved, and the kernel agrees', async () => {
    const container = await running(many);
    const shown = await container.inspect();
    expect(shown).toMatchObject({
      command: ['sleep', '1000'],
      process: { user: 'user', groupAdd: ['tty', '77'], cwd: '/work', env: { A: 'b=c' }, umask: 0o027, seccomp: 'default' },
      limits: { memory: 64 * 1024 ** 2, ulimits: { nofile: { soft: 64, hard: 128 }, core: 0 } },
      mounts: [
        { type: 'tmpfs', name: null, source: null, target: '/scratch', readOnly: false },
        { type: 'volume', name: null, source: null, target: '/own', readOnly: false },
      ],
      restart: { on: 'failure', maxRetries: 2 },
      options: {
        entrypoint: ['sleep'],
        rootfs: null,
        upper: { type: 'tmpfs', size: 8 * 1024 ** 2 },
        hostname: 'box',
        domainname: 'example',
        network: 'none',
        namespaces: { mnt: 'new', pid: 'new', net: 'new', ipc: 'new', uts: 'new', user: 'host', cgroup: 'host', time: 'new' },
        timeOffsets: { monotonic: 86_400_000, boottime: 0 },
        dns: ['192.0.2.1'],
        extraHosts: { db: '192.0.2.2' },
        hostPorts: [5432],
        tmpfs: { '/scratch': 'nosuid,nodev,noexec,size=1048576,mode=1777' },
        devices: [{ path: '/dev/zero', target: '/dev/nothing', access: 'r' }],
        maskedPaths: ['/proc/kcore', '/proc/version'],
        readonlyPaths: ['/proc/sys'],
        timeout: null,
        killSignal: 'SIGTERM',
        forceKillAfterDelay: 7000,
        oomScoreAdj: 321,
        stopSignal: 'SIGTERM',
        healthcheck: { test: ['CMD', '/bin/sh', '-c', 'true'], interval: 3_600_000, timeout: 30_000, retries: 3, then: 'none' },
        logging: null,
        autoRemove: false,
      },
    });
    expect(shown.process.capabilities).toContain('NET_RAW');
    expect(shown.process.capabilities).not.toContain('CHOWN');
    await expectTrue(container, shown);
    await container.remove({ force: true });
  });

  asRoot.it('tells defaults, and what is shared', async () => {
    await using first = await running({ command: ['sleep', '1000'] });
    const { uts } = await Namespace.create(['uts']);
    const options = { namespaces: { uts, ipc: 'host' }, network: first, seccomp: 'unconfined', init: true, readOnly: true } as const;
    await using second = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
    await uts.close();
    expect((await second.inspect()).startedAt).toBeNull();
    const { process, options: shown } = await second.inspect();
    expect(process).toMatchObject({ user: '0', groupAdd: [], cwd: '/', seccomp: 'unconfined' });
    expect(shown).toMatchObject({ network: 'joined', init: true, readOnly: true, healthcheck: null, tty: null, timeout: null });
    expect(shown).toMatchObject({ timeOffsets: null, killSignal: 'SIGKILL', forceKillAfterDelay: 1000, oomScoreAdj: null });
    expect(shown?.namespaces).toMatchObject({ uts: 'joined', ipc: 'host', net: 'joined', pid: 'new' });
    expect(shown?.maskedPaths).toContain('/proc/kcore');
    await expectTrue(first, await first.inspect());
  });

  it("tells an image's part, and volumes by name", async () => {
    const config = {
      Entrypoint: ['/bin/one'],
      Cmd: ['a'],
      User: '7:8',
      StopSignal: 'SIGRTMIN+3',
      Volumes: { '/data/sub': {} },
      WorkingDir: '/w',
    };
    const layout = layoutOf({ one: [{ 'bin/one': '' }] }, folder, { config });
    await using volume = await Volume.create('named');
    const container = await Container.create({ image: `oci:${layout}:one`, volumes: ['named:/here:ro'], detach: true });
    const image = await Image.open(`oci:${layout}:one`);
    expect(await container.inspect()).toMatchObject({
      state: 'created',
      startedAt: null,
      result: null,
      image: { digest: image.digest },
      command: ['/bin/one', 'a'],
      process: { user: '7:8', cwd: '/w' },
      mounts: [
        { type: 'volume', name: 'named', source: volume.path, target: '/here', readOnly: true },
        { type: 'volume', name: null, source: null, target: '/data/sub', readOnly: false },
      ],
      options: { entrypoint: ['/bin/one'], stopSignal: 37, logging: { maxSize: 10 * 1024 ** 2, maxFiles: 3 } },
    });
    await container.remove({ force: true });
    await volume.remove();
  });

  it('tells of a folder as the root', async () => {
    const rootfs = await busyboxRootfs();
    await using container = await Container.create({ rootfs, readOnly: true, command: ['true'] });
    expect(await container.inspect()).toMatchObject({ image: null, options: { rootfs, upper: null } });
  });

  asRoot.it('tells the same by a handle that found the container, in each of its states', async () => {
    const container = await running({ ...many, restart: { on: 'always' }, detach: true, logging: { maxSize: '8k', maxFiles: 2 } });
    const found = await Container.attach(container.id);
    const both = async (state: string) => {
      const [own, attached] = [await container.inspect(), await found.inspect()];
      expect(own.state).toBe(state);
      // each handle's own
      const setupMs = expect.any(Number);
      expect(attached).toEqual({ ...own, result: own.result && { ...own.result, setupMs } });
      return attached;
    };
    await container.waitFor({ healthy: true });
    const before = await both('running');
    await expectTrue(found, before);
    await container.pause();
    await both('paused');
    await container.update({ memory: '48m' });
    await container.resume();
    await container.restart({ timeout: 0 });
    await until('the other handle hears of it', () => found.state === 'running');
    await container.waitFor({ healthy: true });
    const again = await both('running');
    expect(again).toMatchObject({
      restartCount: 1,
      limits: { memory: 48 * 1024 ** 2 },
      options: { logging: { maxSize: 8192, maxFiles: 2 } },
    });
    expect(Number(again.startedAt)).toBeGreaterThan(Number(before.startedAt));
    await container.kill();
    await container.stop({ timeout: 0 });
    const ended = await both('stopped');
    expect(ended).toMatchObject({ pid: 0, startedAt: ended.result?.startedAt, result: { command: ['sleep', '1000'] } });
    // plain data: others read the same of it
    const { result: _, ...rest } = ended;
    expect(JSON.parse(JSON.stringify(await (await Container.attach('inspected')).inspect()))).toMatchObject(
      JSON.parse(JSON.stringify(rest)),
    );
    await container.remove();
  });
});

describe('a container of an older version', () => {
  it('is told of as far as was noted, and takes programs', async () => {
    const container = await running({ command: ['sleep', '1000'], volumes: ['/own'], user: 'user', detach: true });
    const note = fileOf(container.id, 'note');
    const { record, ...rest } = JSON.parse(readFileSync(note, 'utf8'));
    const { options: _, ...older } = record;
    delete older.program.groupAdd;
    for (const mount of older.mounts) delete mount.name;
    writeFileSync(note, JSON.stringify({ ...rest, record: older }));
    const found = await Container.attach(container.id);
    expect(await found.inspect()).toMatchObject({
      options: null,
      process: { user: 'user', groupAdd: [] },
      mounts: [{ type: 'volume', name: null, target: '/own' }],
    });
    expect((await found.exec(['id', '-G'], { reject: true })).stdout).toBe('1000 2000\n');
    await container.remove({ force: true });
  });

  it('that noted fewer options: the others are told where they were noted elsewhere', async () => {
    const container = await running({ command: ['sleep', '1000'], oomScoreAdj: 7, killSignal: 'SIGINT', detach: true });
    const note = fileOf(container.id, 'note');
    const whole = JSON.parse(readFileSync(note, 'utf8'));
    for (const later of ['timeOffsets', 'killSignal', 'forceKillAfterDelay', 'oomScoreAdj']) delete whole.record.options[later];
    writeFileSync(note, JSON.stringify(whole));
    expect(await (await Container.attach(container.id)).inspect()).toEqual(await container.inspect());
    await container.remove({ force: true });
  });
});
