import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCapabilities, namesOf } from '../../lib/security/capabilities.js';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../../lib/security/paths.js';
import { findTool } from '../../test/fixtures/tools.js';
import { NotHere } from '../case.js';
import { type Subject, subject } from '../measure.js';
import { runSpawned } from './spawn.js';

/** An OCI runtime: its bundle is made once, each run has an id of its own. */
export async function runtime(name: 'runc' | 'crun', rootfs: string, options: readonly string[] = []): Promise<Subject> {
  const program = findTool(name);
  if (!program) throw new NotHere(`${name} is not installed`);
  const folder = await mkdtemp(join(tmpdir(), `nacelle-bench-${name}-`));
  const close = () => rm(folder, { recursive: true, force: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(bundleConfig(rootfs, { name, args: ['/bin/true'] })));
  let number = 0;
  const run = () => {
    const id = `nacelle-bench-${process.pid}-${number++}`;
    return runSpawned(program, [...options, '--root', join(folder, 'state'), 'run', '--bundle', folder, id]);
  };
  try {
    await run();
  } catch (error) {
    await close();
    throw cannotRun(name, error);
  }
  return subject(`${name} run`, run, close);
}

/** What a runtime said, without the command line. */
export function cannotRun(name: string, error: unknown): NotHere {
  return new NotHere(
    `${name} can't run here: ${String(error)
      .replace(/^.* ended with \S+ /s, '')
      .trim()
      .split('\n')
      .at(-1)}`,
  );
}

/** config.json of the OCI runtime specification: our defaults, without the system call filter. The rootfs is read-only: there is no overlay. */
export function bundleConfig(rootfs: string, { name, args }: { readonly name: string; readonly args: readonly string[] }): unknown {
  const names = namesOf(defaultCapabilities).map((capability) => `CAP_${capability}`);
  const quiet = ['nosuid', 'noexec', 'nodev'];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/usr/bin:/bin'],
      cwd: '/',
      capabilities: { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] },
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    hostname: 'bench',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...quiet, 'mode=1777', 'size=65536k'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, 'ro'] },
    ],
    linux: {
      cgroupsPath: `nacelle-bench-${name}-${process.pid}`,
      resources: { devices: [{ allow: false, access: 'rwm' }], memory: { limit: 268435456 }, pids: { limit: 64 } },
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
      maskedPaths: defaultMaskedPaths,
      readonlyPaths: defaultReadonlyPaths,
    },
  };
}
