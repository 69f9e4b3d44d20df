import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';

const given = { isolation: 'landlock', command: ['true'] } as const;

/** Something right by itself for each option that can't go with Landlock. */
const refused: Record<string, unknown> = {
  pull: 'missing',
  rootfs: '/srv',
  upper: 'tmpfs',
  upperSize: '1m',
  hostname: 'a',
  domainname: 'a',
  init: false,
  namespaces: { pid: 'host' },
  timeOffsets: { boottime: 1 },
  dns: ['1.1.1.1'],
  extraHosts: { a: '1.1.1.1' },
  hostPorts: [80],
  tmpfs: { '/t': '' },
  copyIn: { '/a': '' },
  copyOut: ['/a'],
  copyOutMax: '1m',
  capAdd: ['KILL'],
  capDrop: ['ALL'],
  maskedPaths: [],
  readonlyPaths: [],
  sysctls: {},
  devices: ['/dev/fuse'],
  deviceRules: [],
  tty: true,
  detach: true,
  autoRemove: true,
  logging: {},
  restart: { on: 'always' },
  healthcheck: 'none',
};

const allowed: Record<string, unknown> = {
  isolation: 'landlock',
  image: 'host',
  command: ['true'],
  entrypoint: ['env'],
  name: 'a',
  labels: {},
  network: 'none',
  mounts: [{ type: 'bind', source: '/srv', target: '/srv', readOnly: true }],
  volumes: ['/data:/data:ro,noexec'],
  readOnly: true,
  noNewPrivileges: true,
  seccomp: 'default',
  cgroup: 'judge',
  cgroupParent: undefined,
  oomScoreAdj: 10,
  onUnsupported: 'report',
  onProgress: () => undefined,
};

describe("isolation: 'landlock'", () => {
  it.each(Object.entries(refused))('refuses %s by its name', (name, value) => {
    const parse = (): unknown => parseRunOptions({ ...given, [name]: value });
    expect(parse).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
    expect(parse).toThrow(new RegExp(`option ${name}: can't go with isolation: 'landlock': `));
  });

  it('takes all that makes sense', () => {
    expect(parseRunOptions(allowed)).toMatchObject({ isolation: 'landlock', tcpPorts: null, readOnly: true });
    expect(parseRunOptions(given)).toMatchObject({ isolation: 'landlock', namespaces: { net: 'new' } });
    expect(parseRunOptions({ ...given, tcpPorts: { connect: [443] } })).toMatchObject({ tcpPorts: { connect: [443], bind: [] } });
  });

  it.each([
    ['image', { image: 'alpine' }, "but for 'host'"],
    ['noNewPrivileges', { noNewPrivileges: false }, 'must be true'],
    ['seccomp', { seccomp: 'unconfined' }, "must be 'default'"],
    ['tcpPorts', { tcpPorts: {}, network: 'host' }, "can't go with network"],
    ['volumes', { volumes: ['/a:/b'] }, 'has /a at /b'],
    ['volumes', { volumes: ['name:/b'] }, 'has /b as a volume'],
    ['volumes', { volumes: ['/b'] }, 'has /b as a volume'],
    ['volumes', { volumes: ['/a:/a:rshared'] }, "'rshared'"],
    ['mounts', { mounts: [{ type: 'tmpfs', target: '/t' }] }, 'has /t as a tmpfs'],
    ['mounts', { mounts: [{ type: 'bind', source: '/a', target: '/a', recursive: false }] }, 'recursive: false'],
    ['mounts', { mounts: [{ type: 'bind', source: '/a', target: '/a', options: ['noatime'] }] }, "'noatime'"],
  ])('says what is wrong with %s', (name, options, words) => {
    expect(() => parseRunOptions({ ...given, ...options })).toThrow(expect.objectContaining({ message: expect.stringContaining(words) }));
    expect(() => parseRunOptions({ ...given, ...options })).toThrow(`option ${name}: `);
  });

  it('takes paths that differ in writing alone for the same', () => {
    expect(() => parseRunOptions({ ...given, volumes: ['/a//b/:/a/b'] })).not.toThrow();
  });

  it('needs a command', () => {
    expect(() => parseRunOptions({ isolation: 'landlock' })).toThrow('option command: is missing');
  });

  it('is what tcpPorts need', () => {
    expect(() => parseRunOptions({ image: 'host', command: ['true'], tcpPorts: { connect: [1] } })).toThrow(
      "option tcpPorts: needs isolation: 'landlock'",
    );
  });

  it('never comes by itself', () => {
    expect(parseRunOptions({ image: 'host', command: ['true'] }).isolation).toBe('namespaces');
    expect(() => parseRunOptions({ command: ['true'] })).toThrow('option image: is missing');
  });
});
