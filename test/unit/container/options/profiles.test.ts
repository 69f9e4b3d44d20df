import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAnew, parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { parseExec } from '../../../../lib/container/options/exec-options.js';
import { toldOfProfile, untrusted, withProfile } from '../../../../lib/container/options/profiles.js';
import { NacelleError, UnsupportedError } from '../../../../lib/errors.js';

const good = { profile: 'untrusted', image: 'host', command: ['true'] };
const asRoot = (more: object = {}) => parseAnew({ ...good, ...more }, () => true);
const asUser = (more: object = {}) => parseAnew({ ...good, ...more }, () => false);

/** For each default: another value for the option, and what becomes of it. */
const others: readonly (readonly [string, unknown, object])[] = [
  ['userns', 'host', { userns: 'host' }],
  ['network', 'host', { namespaces: { net: 'host' } }],
  ['readOnly', false, { readOnly: false }],
  ['init', false, { init: false }],
  ['capDrop', ['CHOWN'], { capDrop: ['CHOWN'] }],
  ['memory', '1g', { limits: { memory: 1 << 30 } }],
  ['pidsLimit', 7, { limits: { pidsLimit: 7 } }],
  ['timeout', 0, { process: { timeout: null } }],
  ['cpuTimeLimit', 5, { process: { cpuTimeLimit: 5 } }],
  ['maxBuffer', '1k', { process: { maxBuffer: 1024 } }],
  ['copyOutMax', 1, { copyOutMax: 1 }],
  ['tmpfs', { '/tmp': 'size=1m' }, { mounts: [{ data: ['size=1048576'], flags: new Set(['nosuid', 'nodev', 'noexec']) }] }],
  ['ulimits', { core: 1, stack: 2 }, { limits: { ulimits: { core: 1, nofile: 1024, stack: 2 } } }],
];

function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NacelleError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was found wrong');
}

describe("profile: 'untrusted'", () => {
  it('sets the defaults for strangers', () => {
    expect(asRoot()).toMatchObject({
      profile: 'untrusted',
      userns: 'auto',
      readOnly: true,
      init: true,
      capDrop: ['ALL'],
      namespaces: { net: 'new', user: 'new' },
      mounts: [
        { type: 'tmpfs', target: '/tmp', data: ['size=134217728', 'nr_inodes=16384', 'mode=1777'], flags: new Set(['nosuid', 'nodev']) },
      ],
      limits: { memory: 512 << 20, pidsLimit: 128, ulimits: { core: 0, nofile: 1024 } },
      copyOutMax: 16 << 20,
      process: { timeout: 30_000, cpuTimeLimit: 10_000, maxBuffer: 16 << 20, pipesOnly: true },
    });
    expect(asRoot().limits.memorySwap).toBeUndefined();
  });

  it('is no default, and changes nothing where it is not asked for', () => {
    const plain = { image: 'host', command: ['true'] };
    expect(withProfile(plain, () => true)).toBe(plain);
    expect(parseRunOptions(plain)).toEqual(parseRunOptions({ ...plain, profile: undefined }));
    expect(parseRunOptions(plain)).toMatchObject({ profile: null, process: { pipesOnly: false } });
  });

  it.each(others)('gives way to %s', (option, value, expected) => {
    expect(asRoot({ [option]: value })).toMatchObject(expected);
    expect(asRoot({ [option]: undefined, image: 'host' })).toEqual(asRoot());
  });

  it('has each of its defaults tried by that list', () => {
    expect(others.map(([option]) => option).sort()).toEqual(untrusted.map(({ option }) => option).sort());
  });

  it('adds to other tmpfs, and leaves /tmp to what the caller has there', () => {
    const places = (more: object) => asRoot(more).mounts.map(({ type, target }) => `${type} ${target}`);
    expect(places({ tmpfs: { '/work': '' } })).toEqual(['tmpfs /tmp', 'tmpfs /work']);
    expect(places({ tmpfs: { '/tmp/': '' } })).toEqual(['tmpfs /tmp']);
    expect(places({ volumes: ['/srv:/tmp:ro'] })).toEqual(['bind /tmp']);
    expect(places({ mounts: [{ type: 'volume', source: 'v', target: '/tmp' }] })).toEqual(['volume /tmp']);
    expect(asRoot({ volumes: ['/tmp'] })).toMatchObject({ mounts: [], anonymousVolumes: ['/tmp'] });
  });

  it('makes binds, volumes and images nosuid and nodev, but for those that say otherwise', () => {
    const mounts = [
      { type: 'bind', source: '/a', target: '/1' },
      { type: 'bind', source: '/a', target: '/2', options: ['dev'] },
      { type: 'bind', source: '/a', target: '/3', options: ['suid', 'nosuid'] },
      { type: 'image', source: 'i', target: '/4' },
    ];
    const flags = asRoot({ mounts, volumes: ['/a:/5', '/a:/6:suid,dev', 'v:/7'] }).mounts.map((mount) => [
      mount.target,
      [...mount.flags].sort().join(),
    ]);
    expect(Object.fromEntries(flags)).toEqual({
      '/1': 'nodev,nosuid',
      '/2': 'nosuid',
      '/3': 'nodev,nosuid',
      '/4': 'nodev,nosuid,ro',
      '/5': 'nodev,nosuid',
      '/6': '',
      '/7': 'nodev,nosuid',
      '/tmp': 'nodev,nosuid',
    });
  });

  it('asks for no user namespace where an ordinary user has one anyway, or one is joined', () => {
    expect(asUser()).toMatchObject({ userns: 'host', readOnly: true });
    expect(asRoot({ namespaces: { user: 'host' } })).toMatchObject({ userns: 'host' });
  });

  it('leaves out what can not go with the rest', () => {
    expect(asRoot({ restart: { on: 'always' }, detach: true })).toMatchObject({ process: { timeout: null, cpuTimeLimit: null } });
    expect(asRoot({ detach: true })).toMatchObject({ process: { timeout: 30_000 } });
    const health = { test: ['CMD', 'true'], then: 'restart' };
    expect(asRoot({ healthcheck: health })).toMatchObject({ process: { timeout: null } });
  });

  it('is refused under Landlock, for one reason', () => {
    const message = failure(() => asRoot({ isolation: 'landlock' }));
    expect(message).toMatch(/^ERR_INVALID_OPTION.*profile.*lacks most of what the profile sets/);
    expect(message).not.toContain('capDrop');
  });

  it.each([
    ['another name', { profile: 'trusted' }, /profile/],
    ['a tmpfs that is none', { tmpfs: 'x' }, /tmpfs/],
    ['mounts that are none', { mounts: [null, 5], volumes: [{}] }, /mounts.*volumes/s],
    ['ulimits that are none', { ulimits: [] }, /ulimits/],
  ])('finds %s wrong', (_, more, words) => {
    expect(failure(() => asRoot(more))).toMatch(words);
  });

  it('bounds each program that exec runs', () => {
    const limits = { timeout: 30_000, cpuTimeLimit: 10_000, maxBuffer: 16 << 20, pipesOnly: true };
    expect(parseExec(undefined, 'untrusted').process).toMatchObject(limits);
    expect(parseExec({ timeout: 0, detach: true }, 'untrusted').process).toMatchObject({
      timeout: null,
      cpuTimeLimit: 10_000,
      pipesOnly: true,
    });
    expect(parseExec(undefined).process).toMatchObject({ timeout: null, pipesOnly: false });
    expect(failure(() => parseExec('x', 'untrusted'))).toContain('ERR_INVALID_OPTION');
  });

  it('says where a limit came from that can not be had', () => {
    const told = toldOfProfile(new UnsupportedError('limit memory', 'no group', 'Make one.'), 'untrusted');
    expect(told).toMatchObject({ feature: 'limit memory', reason: 'no group' });
    expect(String(told)).toMatch(/Make one\. The profile 'untrusted' asks for it: to do without, give onUnsupported: 'report'/);
    const userns = toldOfProfile(new UnsupportedError('userns', 'on overlay'), 'untrusted');
    expect(String(userns)).toContain("give userns: 'host'");
    const other = new UnsupportedError('groupAdd', 'no');
    expect(toldOfProfile(other, 'untrusted')).toBe(other);
  });

  it('is told in docs/security.md as it is', () => {
    const rows = untrusted.map(
      ({ option, value, why }) => `| \`${option}\` | \`${JSON.stringify(value).replaceAll('"', "'")}\` | ${why} |\n`,
    );
    expect(readFileSync('docs/security.md', 'utf8')).toContain(`| Option | Default | What for |\n|---|---|---|\n${rows.join('')}\n`);
  });
});
