import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runObject } from '../../../../lib/container/options/container-schema.js';
import { checkContradictions } from '../../../../lib/container/options/contradictions.js';
import { readUsual } from '../../../../lib/container/options/usual-options.js';

const schema = runObject.superRefine(checkContradictions);

/** For each option that is read without zod, values that are right, and some that are wrong or unusual. */
const values: Readonly<Record<string, readonly unknown[]>> = {
  ...{ memory: ['64m', 4096, '1.5g', 4095, '10 x', ''], memorySwap: ['128m'], memoryReservation: ['4k', 0], memoryHigh: ['1m'] },
  ...{
    memorySwappiness: [0, 100, 101],
    memoryOomGroup: [true],
    kernelMemory: ['8m'],
    cpus: [0.5, 1, 0, Number.NaN, Number.POSITIVE_INFINITY],
  },
  ...{ cpuQuota: [1000, 999], cpuPeriod: [100_000], cpuBurst: [0, 2 ** 53], cpuShares: [2, 1.5], cpuIdle: [false] },
  ...{ cpuRtRuntime: [1, 1_000_001], cpuRtPeriod: [1], cpusetCpus: ['0-1,3', '3-1', 'x'], cpusetMems: ['0'], pidsLimit: [1, 0, 4_194_304] },
  ...{
    ioWeight: [1, 10_001],
    ulimits: [{ core: 0, nofile: -1 }, { core: { soft: 1, hard: 2 } }, { core: { soft: 2, hard: 1 } }, { 'a\0': 1 }],
  },
  ...{ env: [{ A: 'b', B: undefined, C: '' }, { '': 'x' }, { 'A=': 'x' }, { A: 1 }, new Map(), { [Symbol('a')]: 'b' }], extendEnv: [true] },
  ...{ cwd: ['/tmp', 'tmp', `/${'x'.repeat(4096)}`], user: ['1000:100', 1000, 'www-data', '0001', 1.5, -1, 'a:b:c', '', 2 ** 53] },
  ...{ groupAdd: [['audio', 4], [''], []], umask: [0o22, 0o1000], stdin: ['pipe', 'ignore', 0, -1, ['pipe'], { file: '/x' }, null] },
  ...{ stdout: ['pipe', 1, ['pipe', 'inherit'], { file: '/x', append: true }, []], stderr: ['inherit', 2 ** 31, 'x'] },
  ...{ encoding: ['buffer', 'utf8', 'ascii'], buffer: [false], timeout: [0, 1e12, 1e13, -1], cpuTimeLimit: [5] },
  ...{ killSignal: ['SIGTERM', 9, 'TERM', 0, 65], forceKillAfterDelay: [0], input: ['text', new Uint8Array(2), Buffer.from('a'), 5, {}] },
  ...{
    maxBuffer: ['1m', 0, 2 ** 40],
    cancelSignal: [new AbortController().signal, {}],
    reject: [true],
    tty: [true, false, { columns: 1, rows: 1 }],
  },
  ...{ profile: ['untrusted', 'x'], pull: ['never', 'x'], upper: ['tmpfs', 'disk'], upperSize: ['8m', 1], readOnly: [true, 'yes'] },
  ...{
    entrypoint: [['sh'], [], [''], 'sh'],
    hostname: ['a', '-a', 'x'.repeat(65)],
    domainname: ['a.b'],
    name: ['a', '-', 'x'.repeat(129)],
  },
  ...{ labels: [{ a: 'b' }, { a: 1 }, JSON.parse('{"__proto__":"a"}'), []], init: [true], dns: [['1.1.1.1', '::1'], ['x']] },
  mounts: [
    [{ type: 'tmpfs', target: '/a/../b/' }],
    [{ type: 'bind', source: '/a', target: '/b', readOnly: true, options: ['noexec'] }],
    [{ type: 'bind', source: 'a', target: '/b' }],
    [{ type: 'bind', source: '/a', target: '/b', recursive: false, propagation: 'shared', options: ['rw', 'suid'] }],
    [{ type: 'sysfs', target: '/b', readOnly: false }],
    [{ type: 'sysfs', target: '/b', options: ['rw'] }],
    [{ type: 'image', source: 'a', target: '/b', options: ['dev'] }],
    [
      { type: 'volume', source: 'a', target: '/b', options: ['nocopy'] },
      { type: 'volume', target: '/c' },
    ],
    [{ type: 'tmpfs', target: '/', more: 1 }],
    [{ type: 'tmpfs', target: '/a', options: ['size=1m', 'mode=700'] }],
    [{ type: 'tmpfs', target: '/a', options: ['size=x'] }],
    [{ type: 'tmpfs', target: '/a', more: 1 }],
    [{ type: 'tmpfs' }],
    [null],
  ],
  volumes: [
    ['/a:/b', '/c', 'v:/d:ro'],
    ['/a:/b:rshared,ro'],
    ['a/b:/c'],
    [':/a'],
    ['/a:/b:c:d'],
    ['/a:b'],
    ['/a:/'],
    ['/a:/b', '/x:/b'],
    [1],
  ],
  ...{ tmpfs: [{ '/a': '' }, { '/b': 'size=1m,exec' }, { '/c': 'x' }, { a: '' }, { '/b/': '' }] },
  copyIn: [
    ...[{ '/a': 'text' }, { '/a': new Uint8Array(1) }, { '/a': { source: '/x', uid: 0 } }, { '/a': { content: 'x', mode: 0o755 } }],
    ...[{ '/a': {} }, { '/a': { source: '/x', content: '' } }, { '/a/': 'x' }, { a: 'x' }, { '/a': { source: '/x', more: 1 } }],
  ],
  ...{ copyOut: [['/a/'], ['/'], ['a']], copyOutMax: ['1m'], capAdd: [['CHOWN'], ['']], capDrop: [['ALL']], noNewPrivileges: [false] },
  ...{ maskedPaths: [['/a//b/'], ['a']], readonlyPaths: [[]], sysctls: [{ 'kernel.shmmax': '1' }, { '': '1' }], oomScoreAdj: [5, 1001] },
  ...{ detach: [true], autoRemove: [true], onDenied: [() => undefined, 1], onUnsupported: ['report'], onProgress: [() => undefined, null] },
  ...{ rootfs: ['/a', 'a'], userns: ['auto', 'keep-id', 'x', { uid: [], gid: [] }], network: ['none', 'host', 'pasta', 'bridge', 'x y'] },
  ...{
    seccomp: ['default', '/file', '', {}],
    isolation: ['landlock', 'namespaces'],
    image: ['host', 'dir:/a', '', 1],
    command: [['true'], [], ['\0'], 'x'],
  },
  ...{ hostPorts: [[80]], egress: [{ allow: [] }], unknown: [1] },
};
const names = Object.keys(values);
const base = { image: 'host', command: ['true'] };

/** The schema takes what is read, as it is read. What is not read may be right, and unusual. */
function expectSame(options: unknown): boolean {
  const read = readUsual(options);
  if (read === null) return false;
  const { success, data } = schema.safeParse(options);
  expect(success).toBe(true);
  expect(read).toStrictEqual(data);
  expect(Object.keys(read).sort()).toEqual(Object.keys(data ?? {}).sort());
  return true;
}

describe('options are read as the schema reads them', () => {
  it('the usual ones without it', () => {
    const usual = [
      {},
      { memory: '64m', pidsLimit: 32, cpus: 1, timeout: 10_000, input: 'text', env: { A: 'b' }, cwd: '/tmp', user: '65534:65534' },
      { image: 'dir:/', readOnly: true, init: true, mounts: [{ type: 'tmpfs', target: '/tmp' }], volumes: ['/a:/b:ro'] },
      { tmpfs: { '/tmp': 'size=1m' }, copyIn: { '/a': 'text' }, labels: { a: 'b' }, hostname: 'a', network: 'none', capDrop: ['ALL'] },
      { profile: 'untrusted', userns: 'auto', ulimits: { core: 0 }, maxBuffer: '16m', copyOutMax: '16m', cpuTimeLimit: 1 },
    ];
    for (const options of usual) expect(expectSame({ ...base, ...options })).toBe(true);
  });

  it.each(names)('%s alone, and as nothing', (name) => {
    for (const value of [...(values[name] ?? []), undefined, null, '', 0, [], {}]) expectSame({ ...base, [name]: value });
  });

  it('any of them together', () => {
    const one = fc.constantFrom(...names).chain((name) => fc.tuple(fc.constant(name), fc.constantFrom(...(values[name] ?? []))));
    fc.assert(
      fc.property(fc.array(one, { maxLength: 5 }), (given) => {
        expectSame({ ...base, ...Object.fromEntries(given) });
      }),
      { numRuns: 2000 },
    );
  });

  it('what is no plain object is left to the schema', () => {
    for (const value of [
      null,
      undefined,
      [],
      new (class {
        image = 'host';
      })(),
      Object.create(base),
    ])
      expect(readUsual(value)).toBeNull();
  });
});
