import { expect, it } from 'vitest';
import { parseAnew } from '../../../../lib/container/options/container-options.js';
import { haveOneShape, isParkable, withoutRun } from '../../../../lib/container/pool/parkable.js';
import type { RUN_NAMES } from '../../../../lib/container/pool/pool-options.js';
import { Image, type RunOptions } from '../../../../lib/index.js';

const parsed = (more: RunOptions = {}) => parseAnew({ image: 'dir:/image', command: ['true'], ...more }, () => true);

it.each<[string, RunOptions]>([
  ['a folder', {}],
  ['the host', { image: 'host' }],
  ['an image of the store', { image: 'debian:12' }],
  ['the same by its digest', { image: `sha256:${'0'.repeat(64)}` }],
  ['limits', { memory: '64m', pidsLimit: 10, cpus: 0.5, ulimits: { nofile: 10 } }],
  ['a tmpfs', { tmpfs: { '/tmp': '' } }],
  ['who it runs as, and what it may', { user: '1:1', capDrop: ['ALL'], seccomp: 'unconfined', readOnly: true, init: true }],
  ['what each run has of its own', { env: { A: '' }, input: 'x', copyIn: { '/x': 'x' }, copyOut: ['/x'], timeout: 1, labels: { a: '' } }],
  ['a network', { network: 'bridge', bandwidth: { egress: 1_000_000 }, dns: ['192.0.2.1'] }],
  [
    'networks',
    {
      network: [
        { network: 'a', aliases: ['x'] },
        { network: 'b', interfaceName: 'own' },
      ],
    },
  ],
])('parks what shows its root alone: %s', (_, more) => expect(isParkable(parsed(more))).toBe(true));

it.each<[string, RunOptions]>([
  ['a bind', { mounts: [{ type: 'bind', source: '/etc', target: '/x' }] }],
  ['a volume', { volumes: ['data:/data'] }],
  ['an anonymous volume', { volumes: ['/data'] }],
  ['a device', { devices: ['/dev/fuse'] }],
  ['an image that is pulled each time', { image: 'debian:12', pull: 'always' }],
  ['an image of a layout', { image: 'oci:/layout:one' }],
  ['an image of an archive', { image: 'docker-archive:/image.tar' }],
  ['the host as an object, which may hide other files', { image: Image.host() }],
  ['a folder that it writes to', { image: undefined, rootfs: '/image' }],
  ['an upper on disk', { upper: 'disk' }],
  ['a network, and a setting, which may be its link’s', { network: 'bridge', sysctls: { 'net.ipv4.ip_forward': '1' } }],
  ['a network, and an address', { network: [{ network: 'bridge', ip: '172.30.0.9' }] }],
  ['a network, and a port', { network: 'bridge', ports: ['80'] }],
  ['the network of the host', { network: 'host' }],
  ['pasta', { network: 'pasta' }],
  ['ports of the host', { hostPorts: [80] }],
  ['a list of names', { egress: { allow: ['example.org'] } }],
  ['a user namespace', { userns: 'auto' }],
  ['other namespaces of the host', { namespaces: { uts: 'host' } }],
  ['a clock of its own', { timeOffsets: { monotonic: 1 } }],
  ['a group of the caller’s', { cgroup: 'x' }],
  ['a group below one of the caller’s', { cgroupParent: 'x' }],
  ['a name', { name: 'x' }],
  ['Landlock', { image: 'host', isolation: 'landlock' }],
  ['a filter in a file', { seccomp: '/filter.json' }],
  ['a limit that is looked up', { cpusetCpus: '0' }],
  ['rules for devices', { deviceRules: [{ type: 'a', access: 'rwm', allow: true }] }],
  ['who hears of refusals', { onDenied: () => undefined }],
])('parks nothing with what is the caller’s, another’s or of the moment: %s', (_, more) => expect(isParkable(parsed(more))).toBe(false));

it('has one shape for runs that differ in what a run of a pool may have of its own', () => {
  // one with ports has its own container
  const own: Record<Exclude<(typeof RUN_NAMES)[number], 'ports'>, unknown> = {
    ...{ command: ['false'], env: { A: '1' }, input: 'x', copyIn: { '/a': 'a' }, copyOut: ['/a'], stdin: 'ignore', stdout: 'ignore' },
    ...{ stderr: 'ignore', tty: { columns: 9, rows: 9 }, timeout: 1, cpuTimeLimit: 1, maxBuffer: 1, cancelSignal: AbortSignal.abort() },
    ...{ reject: true, labels: { a: 'b' }, encoding: 'buffer', buffer: false },
  };
  for (const [name, value] of Object.entries(own)) {
    const other = parseAnew({ image: 'dir:/image', command: ['true'], [name]: value }, () => true);
    expect([name, isParkable(other), haveOneShape(withoutRun(parsed()), other)]).toEqual([name, true, true]);
    expect([name, withoutRun(other)]).toEqual([name, withoutRun(parsed())]);
  }
});

it.each<RunOptions>([
  { image: 'dir:/other' },
  { user: '1' },
  { cwd: '/tmp' },
  { umask: 0 },
  { memory: '64m' },
  { hostname: 'x' },
  { entrypoint: ['sh'] },
  { killSignal: 'SIGTERM' },
  { extendEnv: true },
  { capAdd: ['NET_ADMIN'] },
  { dns: ['1.1.1.1'] },
  { tmpfs: { '/t': '' } },
  { maskedPaths: [] },
  { network: 'bridge' },
])('has another shape for %j', (more) => expect(haveOneShape(withoutRun(parsed()), parsed(more))).toBe(false));
