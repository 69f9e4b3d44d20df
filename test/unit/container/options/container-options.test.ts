import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { NacelleError } from '../../../../lib/errors.js';
import { wrongInputs } from '../../../fixtures/wrong-inputs.js';

const good = { image: 'host', command: ['true'] };

function failure(options: unknown): NacelleError {
  try {
    parseRunOptions(options);
  } catch (error) {
    if (error instanceof NacelleError) return error;
    throw error;
  }
  throw new Error('nothing was found wrong');
}

describe('wrong options', () => {
  it.each(wrongInputs)('$name', ({ options, code, mentions }) => {
    const error = failure(options);
    expect(error.code).toBe(code);
    for (const words of mentions) expect(error.message).toContain(words);
  });

  it('tells all that is wrong at once', () => {
    const { message } = failure({ ...good, umask: -1, cwd: 'x', hostnam: 'y' });
    for (const option of ['option umask', 'option cwd', 'option hostnam']) expect(message).toContain(option);
  });
});

describe('a schema of the given names alone', () => {
  /** What is not an object's own is looked at by the schema of all names. */
  const inherited = (options: object): object => Object.assign(Object.create({}), options);
  const values = {
    entrypoint: ['sh', '-c'],
    env: { A: '1' },
    cwd: '/tmp',
    user: '1000:1000',
    memory: '64m',
    pidsLimit: 8,
    cpus: 0.5,
    network: 'host',
    mounts: [{ type: 'tmpfs', target: '/t' }],
    tmpfs: { '/u': 'size=1m' },
    copyIn: { '/a': 'b' },
    capDrop: ['ALL'],
    readOnly: true,
    timeout: 1000,
    stdin: 'pipe',
    hostname: undefined,
  };

  it('is not taken for the schema of all names when none is given', () => {
    expect(failure({}).message).toContain('option image');
    expect(parseRunOptions(inherited(good))).toEqual(parseRunOptions(good));
  });

  it('reads what the schema of all names reads', () => {
    fc.assert(
      fc.property(fc.subarray(Object.entries(values)), (entries) => {
        const options = { image: 'host', command: ['true'], ...Object.fromEntries(entries) };
        expect(parseRunOptions(options)).toEqual(parseRunOptions(inherited(options)));
      }),
    );
  });

  const ofNames = wrongInputs.filter(({ options }) => typeof options === 'object' && options !== null && !Array.isArray(options));
  it.each(ofNames)('$name', ({ options }) => {
    expect(failure(options).message).toBe(failure(inherited(Object(options))).message);
  });
});

describe('defaults', () => {
  it('are all there', () => {
    const options = parseRunOptions(good);
    expect(options).toMatchObject({
      root: { type: 'image', image: 'host', pull: 'missing', upper: null, upperSize: null },
      readOnly: false,
      init: false,
      noNewPrivileges: true,
      seccomp: 'default',
      maskedPaths: null,
      onUnsupported: 'error',
      limits: {},
      namespaces: { mnt: 'new', pid: 'new', net: 'new', ipc: 'new', uts: 'new', user: 'host', cgroup: 'new', time: 'host' },
    });
    expect(options.process).toMatchObject({
      env: {},
      extendEnv: false,
      cwd: null,
      user: null,
      umask: 0o022,
      stdin: [{ type: 'ignore' }],
      stdout: [{ type: 'pipe' }],
      stderr: [{ type: 'pipe' }],
      encoding: 'utf8',
      timeout: null,
      killSignal: 9,
      forceKillAfterDelay: 1000,
      maxBuffer: 100 * 1024 * 1024,
      reject: false,
    });
    expect(Object.values(options)).not.toContain(undefined);
    expect(Object.values(options.process)).not.toContain(undefined);
  });

  it('take undefined as not given', () => {
    const keys = ['rootfs', 'memory', 'timeout', 'namespaces', 'stdin', 'env', 'mounts', 'user', 'killSignal', 'upperSize'];
    expect(parseRunOptions({ ...good, ...Object.fromEntries(keys.map((key) => [key, undefined])) })).toEqual(parseRunOptions(good));
    expect(parseRunOptions({ ...good, namespaces: { pid: undefined } }).namespaces.pid).toBe('new');
  });

  it('write input to a pipe', () => {
    expect(parseRunOptions({ ...good, input: '' }).process.stdin).toEqual([{ type: 'pipe' }]);
  });
});

describe('what is given', () => {
  it('is kept: sizes in bytes, signals as numbers, users as text', () => {
    const options = parseRunOptions({ ...good, memory: '64m', upperSize: '4k', maxBuffer: 0, killSignal: 'SIGTERM', user: 1000 });
    expect(options.limits).toEqual({ memory: 64 * 1024 ** 2 });
    expect(options.root).toMatchObject({ upperSize: 4096 });
    expect(options.process).toMatchObject({ maxBuffer: 0, killSignal: 15, user: '1000' });
  });

  it('sees 0 as no limit of time', () => {
    expect(parseRunOptions({ ...good, timeout: 0, cpuTimeLimit: 5 }).process).toMatchObject({ timeout: null, cpuTimeLimit: 5 });
  });

  it('turns network into the network namespace', () => {
    const namespace = { type: 'net', fd: 3, inode: 5n };
    expect(parseRunOptions({ ...good, network: 'host' }).namespaces.net).toBe('host');
    expect(parseRunOptions({ ...good, network: 'none' }).namespaces.net).toBe('new');
    expect(parseRunOptions({ ...good, network: namespace }).namespaces.net).toBe(namespace);
    expect(parseRunOptions({ ...good, namespaces: { net: namespace } }).namespaces.net).toBe(namespace);
  });

  it('makes the time namespace new for offsets', () => {
    const options = parseRunOptions({ ...good, timeOffsets: { boottime: 100 } });
    expect(options.namespaces.time).toBe('new');
    expect(options.timeOffsets).toEqual({ monotonic: 0, boottime: 100 });
  });

  it('lets an image say what to run', () => {
    expect(parseRunOptions({ image: 'oci:/srv/layout:latest' }).command).toBeNull();
  });

  it('reads every way to name a mount into one', () => {
    const { mounts } = parseRunOptions({
      ...good,
      mounts: [{ type: 'bind', source: '/a', target: '//x/./y/', readOnly: true, recursive: false, options: ['nosuid'] }],
      volumes: ['/b:/data', '/c:/ro:ro,rslave'],
      tmpfs: { '/t': 'size=8m,mode=1777,exec', '/u': '' },
    });
    const rest = { copies: false };
    expect(mounts).toEqual([
      {
        type: 'bind',
        source: '/a',
        target: '/x/y',
        recursive: false,
        propagation: 'rprivate',
        flags: new Set(['nosuid', 'ro']),
        data: [],
        ...rest,
      },
      { type: 'bind', source: '/b', target: '/data', recursive: true, propagation: 'rprivate', flags: new Set(), data: [], ...rest },
      { type: 'bind', source: '/c', target: '/ro', recursive: true, propagation: 'rslave', flags: new Set(['ro']), data: [], ...rest },
      {
        type: 'tmpfs',
        source: null,
        target: '/t',
        recursive: false,
        propagation: 'rprivate',
        flags: new Set(['nosuid', 'nodev']),
        lifted: new Set(['noexec']),
        data: ['size=8388608', 'mode=1777'],
        ...rest,
      },
      {
        type: 'tmpfs',
        source: null,
        target: '/u',
        recursive: false,
        propagation: 'rprivate',
        flags: new Set(['nosuid', 'nodev', 'noexec']),
        data: [],
        ...rest,
      },
    ]);
  });

  it('tells volumes of a name, which may take what the image has, from those that go with the container', () => {
    const { mounts, anonymousVolumes } = parseRunOptions({
      ...good,
      mounts: [
        { type: 'volume', source: 'a', target: '/a', readOnly: true },
        { type: 'volume', target: '/b/' },
        { type: 'image', source: 'oci:/x:y', target: '/i', options: ['noexec'] },
      ],
      volumes: ['c.1:/c:nocopy,ro,rslave', '/d/../e'],
    });
    const named = { type: 'volume', recursive: false, data: [] };
    expect(mounts).toEqual([
      { ...named, source: 'a', target: '/a', propagation: 'rprivate', flags: new Set(['nodev', 'ro']), copies: true },
      {
        type: 'image',
        source: 'oci:/x:y',
        target: '/i',
        recursive: false,
        propagation: 'rprivate',
        flags: new Set(['nodev', 'ro', 'noexec']),
        data: [],
        copies: false,
      },
      { ...named, source: 'c.1', target: '/c', propagation: 'rslave', flags: new Set(['nodev', 'ro']), copies: false },
    ]);
    expect(anonymousVolumes).toEqual(['/b', '/e']);
  });

  it('reads files to copy in and devices', () => {
    const { copyIn, devices } = parseRunOptions({
      ...good,
      copyIn: { '/a': 'é', '/b': { source: '/etc/hosts' }, '/c': { content: new Uint8Array([1]), mode: 0o600, uid: 5 } },
      devices: ['/dev/fuse', '/dev/sda:/dev/xvda', '/dev/sdb:r', '/dev/sdc:/dev/x:rw', { path: '/dev/kvm' }],
    });
    expect(copyIn).toEqual([
      { target: '/a', source: null, content: Buffer.from('é'), mode: 0o644, uid: null, gid: null },
      { target: '/b', source: '/etc/hosts', content: null, mode: null, uid: null, gid: null },
      { target: '/c', source: null, content: new Uint8Array([1]), mode: 0o600, uid: 5, gid: null },
    ]);
    expect(devices).toEqual([
      { path: '/dev/fuse', target: '/dev/fuse', access: 'rwm' },
      { path: '/dev/sda', target: '/dev/xvda', access: 'rwm' },
      { path: '/dev/sdb', target: '/dev/sdb', access: 'r' },
      { path: '/dev/sdc', target: '/dev/x', access: 'rw' },
      { path: '/dev/kvm', target: '/dev/kvm', access: 'rwm' },
    ]);
  });
});

it.each([
  ['cmd', 'command'],
  ['workdir', 'cwd'],
  ['WorkingDir', 'cwd'],
  ['environment', 'env'],
  ['binds', 'volumes'],
  ['mem_limit', 'memory'],
  ['signal', 'cancelSignal'],
])("another tool's %s is %s here", (theirs, ours) => {
  expect(() => parseRunOptions({ image: 'host', [theirs]: 'x' })).toThrow(`option ${theirs}: is unknown; did you mean '${ours}'?`);
});
