import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BundleInput, configOfContainer } from '../../../../lib/container/bundle/config-of-container.js';
import { leftOut } from '../../../../lib/container/bundle/left-out.js';
import { optionsOfConfig } from '../../../../lib/container/bundle/options-of-config.js';
import { parseAnew } from '../../../../lib/container/options/container-options.js';
import type { ContainerOptions, Mount } from '../../../../lib/container/options/container-types.js';
import { defaultMounts } from '../../../../lib/container/plan/default-mounts.js';
import { bundleFacts } from '../../../../lib/container/start/bundle-facts.js';
import { environment } from '../../../../lib/container/start/program-facts.js';
import { resolvedOptions } from '../../../../lib/container/start/resolved-options.js';
import { configSchema } from '../../../../lib/oci-config/config-schema.js';
import { configText } from '../../../../lib/oci-config/config-text.js';
import { allCapabilities, capabilityNames } from '../../../../lib/plan/capability-names.js';
import { resolveCapabilities } from '../../../../lib/security/capabilities.js';
import { defaultDocument } from '../../../../lib/security/oci-profile/profile-document.js';
import { rounds } from '../../../fixtures/rounds.js';

const ETC = { hosts: '', hostname: '', resolvConf: '' };
const DEVICES = {
  '/dev/fuse': { type: 'c', major: 10, minor: 229, mode: 0o666 },
  '/dev/kvm': { type: 'c', major: 10, minor: 232, mode: 0o660 },
} as const;
const isDevice = (path: string): path is keyof typeof DEVICES => path in DEVICES;

/** What a container of these options would have noted, by the functions that do so, but for what is asked of the machine. */
function inputOf(options: ContainerOptions): BundleInput {
  const parsed = parseAnew(options, () => true);
  const userns =
    typeof parsed.userns === 'object' ? ({ kind: 'given', fd: -1, back: null, ...parsed.userns } as const) : ({ kind: 'none' } as const);
  const hostname = parsed.hostname ?? 'id';
  const table = defaultMounts({ options: parsed, ownProc: true, unified: true, files: ETC, userns, devices: [] });
  const capabilities = resolveCapabilities({ capAdd: parsed.capAdd, capDrop: parsed.capDrop, held: allCapabilities });
  const { process, limits } = parsed;
  const folder = {
    type: 'folder',
    path: parsed.root.type === 'rootfs' && typeof parsed.root.rootfs === 'string' ? parsed.root.rootfs : '/',
    bound: null,
  } as const;
  const [uid = 0, gid = 0] = (process.user ?? '0:0').split(':').map(Number);
  const record = {
    ...{
      id: 'id',
      name: parsed.name,
      labels: parsed.labels,
      command: parsed.command ?? [],
      image: null,
      createdAt: 0,
      limits,
      notEnforced: [],
    },
    devices: parsed.devices.flatMap(({ path, target, access }) => (isDevice(path) ? [{ ...DEVICES[path], path: target, access }] : [])),
    ...{
      group: { name: '', paths: {}, usage: [], leaf: null, bases: {} },
      mounts: [],
      networks: [],
      links: null,
      ports: null,
      sharedNetworks: [],
    },
    guarded: [],
    options: resolvedOptions({ options: parsed, root: folder, entrypoint: [], hostname, table, stopSignal: 15, healthcheck: null }),
    bundle: bundleFacts({ options: parsed, table, seccomp: parsed.seccomp === 'unconfined' ? 'unconfined' : 'default' }),
    program: {
      ...{ env: environment(parsed, {}, hostname), cwd: process.cwd ?? '/', user: process.user ?? '0', groupAdd: process.groupAdd ?? [] },
      ...{ umask: process.umask, capabilities, noNewPrivileges: parsed.noNewPrivileges, filter: null },
      ...{ ulimits: limits.ulimits, scheduler: limits.scheduler, oomScoreAdj: parsed.oomScoreAdj },
    },
    ...{
      namespaces: { flags: 0, entersPid: false },
      userns: typeof parsed.userns === 'object' ? parsed.userns : null,
      mayRefuseNull: false,
    },
    ...{
      processOne: true,
      filterKills: false,
      stopSignal: 15,
      restart: null,
      isRestartable: false,
      isChecked: false,
      copyOut: [],
      copyOutMax: 0,
      detached: null,
    },
  };
  const seccomp = parsed.seccomp === 'default' ? defaultDocument({ arch: 'x86_64', capabilities }) : null;
  const groups = [...new Set([gid, ...(process.groupAdd ?? []).map(Number)])];
  return { record, user: { uid, gid, groups }, root: folder.path, seccomp };
}

/** As another process reads it. */
function read(text: string): ContainerOptions {
  const config = configSchema.parse(JSON.parse(text));
  return optionsOfConfig(config, {
    bundle: '/bundle',
    namespaces: new Map(),
    findDevice: ({ major, minor, path }) => {
      const found = Object.entries(DEVICES).find(([, device]) => device.major === major && device.minor === minor);
      return found === undefined ? null : { path: isDevice(path) ? path : found[0], mode: found[1].mode };
    },
    seccomp: config.linux?.seccomp === undefined ? null : 'default',
  });
}

const written = (options: ContainerOptions): string => configText(configOfContainer(inputOf(options)).config);

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);
const path = word.map((name) => `/srv/${name}`);
const text = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 8 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const bytes = fc.integer({ min: 4096, max: 2 ** 40 });
const count = fc.integer({ min: 1, max: 2 ** 30 });
const device = fc.constantFrom('8:0', '8:16', '259:1');
const record = <T>(value: fc.Arbitrary<T>) => fc.dictionary(word, value, { minKeys: 1, maxKeys: 3 });
/** The options without keys that say nothing. */
const kept = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;

const flags = fc.subarray(['nosuid', 'nodev', 'noexec', 'noatime']);
const mount = (index: number): fc.Arbitrary<Mount> =>
  fc.oneof(
    fc
      .record({
        readOnly: maybe(fc.constant(true)),
        recursive: maybe(fc.constant(false)),
        flags,
        propagation: maybe(fc.constantFrom('private', 'rslave', 'rshared' as const)),
      })
      .map(
        ({ flags, ...rest }): Mount =>
          kept({ type: 'bind', source: `/host/${index}`, target: `/m/${index}`, ...rest, options: flags.length === 0 ? undefined : flags }),
      ),
    fc.record({ size: bytes, mode: fc.constantFrom('755', '1777'), readOnly: maybe(fc.constant(true)), lift: fc.boolean() }).map(
      ({ size, mode, readOnly, lift }): Mount =>
        kept({
          type: 'tmpfs',
          target: `/m/${index}`,
          readOnly,
          options: [...(lift ? ['nodev', 'suid', 'exec'] : ['nosuid', 'nodev', 'noexec']), `size=${size}`, `mode=${mode}`],
        }),
    ),
    fc.constantFrom<Mount>(
      { type: 'mqueue', target: `/m/${index}`, options: ['nosuid', 'nodev', 'noexec'] },
      { type: 'sysfs', target: `/m/${index}`, options: ['nosuid', 'nodev', 'noexec'] },
    ),
    fc.constant<Mount>({ type: 'overlay', target: `/m/${index}`, options: ['nosuid', 'lowerdir=/a:/b'] }),
  );

const map = fc.integer({ min: 100_000, max: 2 ** 30 }).map((outside) => [{ inside: 0, outside, count: 65_536 }]);
const limits = fc
  .record({
    memory: maybe(bytes),
    swap: maybe(fc.constantFrom(4096, Number.MAX_SAFE_INTEGER)),
    pidsLimit: maybe(fc.integer({ min: 1, max: 4_194_304 })),
    quota: maybe(
      fc.record({
        cpuQuota: fc.integer({ min: 1000, max: 1_000_000 }),
        cpuPeriod: fc.integer({ min: 1000, max: 1_000_000 }),
        cpuBurst: maybe(fc.constant(500)),
      }),
    ),
    weight: fc.constantFrom({}, { cpuIdle: true }, { cpuShares: 77 }),
    realTime: fc.constantFrom({}, { cpuRtRuntime: 900_000, cpuRtPeriod: 1_000_000 }),
    cpusetCpus: maybe(fc.constantFrom('0', '0-3,7')),
    cpusetMems: maybe(fc.constant('0')),
    memorySwappiness: maybe(fc.integer({ min: 0, max: 100 })),
    memoryHigh: maybe(bytes),
    memoryOomGroup: maybe(fc.boolean()),
    kernelMemory: maybe(bytes),
    ioWeight: maybe(fc.integer({ min: 10, max: 1000 }).map((weight) => 1 + Math.floor(((weight - 10) * 9999) / 990))),
    ioMax: maybe(
      fc.uniqueArray(fc.record({ device, readBps: count, writeIops: count }), {
        selector: (max) => max.device,
        minLength: 1,
        maxLength: 2,
      }),
    ),
    hugetlb: maybe(fc.constantFrom({ '2MB': 2 ** 24 }, { '2MB': 0, '1GB': 2 ** 31 })),
    netClassId: maybe(count),
    netPriorities: maybe(record(count)),
    rdma: maybe(record(fc.record({ hcaHandles: count, hcaObjects: count }))),
    misc: maybe(word.chain((name) => count.map((number) => ({ [name]: number })))),
    ulimits: maybe(fc.constantFrom({ nofile: { soft: 100, hard: 200 } }, { core: { soft: 0, hard: -1 }, stack: { soft: -1, hard: -1 } })),
    scheduler: maybe(
      fc.constantFrom({ policy: 'batch', nice: -3 } as const, { policy: 'rr', priority: 9 } as const, { policy: 'idle' } as const),
    ),
    deviceRules: maybe(
      fc.array(
        fc.record({
          type: fc.constantFrom('b', 'c' as const),
          major: fc.integer({ min: 0, max: 0xfff }),
          access: fc.constantFrom('r', 'rw', 'rwm'),
          allow: fc.boolean(),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    ),
  })
  .map(({ swap, quota, weight, realTime, ...rest }): ContainerOptions => {
    const memorySwap = rest.memory === undefined || swap === undefined ? undefined : swap === 4096 ? rest.memory + swap : swap;
    const burst = quota === undefined || quota.cpuBurst === undefined ? {} : { cpuBurst: quota.cpuBurst };
    return {
      ...rest,
      memorySwap,
      ...(quota === undefined ? {} : { cpuQuota: quota.cpuQuota, cpuPeriod: quota.cpuPeriod, ...burst }),
      ...weight,
      ...realTime,
    };
  });

/** Options in the form in which a bundle gives them back. */
const options: fc.Arbitrary<ContainerOptions> = fc
  .tuple(
    fc.record({
      rootfs: path,
      readOnly: maybe(fc.constant(true)),
      command: fc.array(text, { minLength: 1, maxLength: 3 }).filter(([first]) => first !== ''),
      env: fc
        .dictionary(word, text, { maxKeys: 3 })
        .map((env): Record<string, string | undefined> => ({ PATH: undefined, HOSTNAME: undefined, ...env })),
      cwd: path,
      user: fc.tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 })).map((ids) => ids.join(':')),
      umask: maybe(fc.constant(0o077)),
      hostname: word,
      domainname: maybe(word),
      labels: maybe(record(text)),
      namespaces: maybe(
        fc.constantFrom({ net: 'host' } as const, { ipc: 'host', cgroup: 'host' } as const, { pid: 'host', time: 'new' } as const),
      ),
      timeOffsets: maybe(fc.record({ monotonic: fc.integer({ min: -1e9, max: 1e9 }), boottime: fc.integer({ min: 0, max: 1e9 }) })),
      cgroup: maybe(word),
      userns: maybe(fc.record({ uid: map, gid: map })),
      capAdd: fc.subarray([...capabilityNames]),
      noNewPrivileges: maybe(fc.constant(false)),
      seccomp: maybe(fc.constant('unconfined')),
      maskedPaths: fc.array(path, { maxLength: 2 }),
      readonlyPaths: fc.array(path, { maxLength: 2 }),
      sysctls: maybe(fc.constant({ 'net.ipv4.ip_forward': '1' })),
      oomScoreAdj: maybe(fc.integer({ min: -1000, max: 1000 })),
      devices: maybe(
        fc.constantFrom(
          [{ path: '/dev/fuse' }],
          [
            { path: '/dev/kvm', access: 'rm' },
            { path: '/dev/fuse', target: '/dev/other' },
          ],
        ),
      ),
    }),
    fc.tuple(mount(0), mount(1), mount(2)),
    limits,
  )
  .map(([own, mounts, limits]) =>
    kept({
      ...own,
      // offsets make the namespace new, and a user namespace has no real deadline
      namespaces: own.timeOffsets === undefined ? own.namespaces : ({ ...own.namespaces, time: 'new' } as const),
      capDrop: ['ALL'],
      mounts,
      ...limits,
    }),
  );

describe('options and config.json, two views of one thing', () => {
  it('gives options back as they were', () => {
    fc.assert(
      fc.property(options, (given) => {
        const input = inputOf(given);
        expect(configOfContainer(input).left).toEqual(given.userns === undefined ? [] : ['userns']);
        const back = read(written(given));
        expect(back).toEqual(given);
        // also what counts as not given is the same
        expect(parseAnew(back, () => true)).toEqual(parseAnew(given, () => true));
      }),
      { numRuns: rounds(60, 2000) },
    );
  });

  it.each<[string, ContainerOptions]>([
    ['killSignal', { timeout: 5, killSignal: 'SIGTERM' }],
    ['forceKillAfterDelay', { timeout: 5, forceKillAfterDelay: 7 }],
    ['timeout', { timeout: 5, killSignal: 'SIGKILL', forceKillAfterDelay: 1000 }],
  ])('says that it leaves %s out', (name, given) => {
    const { left } = configOfContainer(inputOf({ rootfs: '/r', command: ['x'], ...given }));
    expect(left).toEqual([...new Set(['timeout', name])]);
  });

  it.each([
    ['upper', 'disk'],
    ['upperSize', 'tmpfs'],
  ] as const)('says %s of a container whose changes are on a %s', (name, type) => {
    const { record } = inputOf({ rootfs: '/r', command: ['x'] });
    expect(leftOut({ ...record, options: { ...record.options, upper: { type, size: null } } })).toEqual([name]);
  });

  it.each<[string, string, ContainerOptions]>([
    ['1.0.2', 'nothing of later versions', {}],
    ['1.1.0', 'errnoRet of a filter', { seccomp: 'default' }],
    ['1.1.0', 'unified', { memoryHigh: 2 ** 20 }],
    ['1.1.0', 'rro', { mounts: [{ type: 'bind', source: '/a', target: '/b', readOnly: true }] }],
    ['1.1.0', 'cpu.idle', { cpuIdle: true }],
  ])('is of version %s with %s', (version, _, given) => {
    const { config } = configOfContainer(inputOf({ rootfs: '/r', command: ['x'], seccomp: 'unconfined', ...given }));
    expect(config.ociVersion).toBe(version);
  });

  it('writes the same config.json of options that it has read', () => {
    fc.assert(
      fc.property(options, (given) => {
        const text = written(given);
        expect(written(read(text))).toBe(text);
      }),
      { numRuns: rounds(40, 1000) },
    );
  });
});
