import { execFileSync } from 'node:child_process';
import { chmodSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { called, makeBundle, type RuntimeCall, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'unshare'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

const FIRST = 200_000;
const maps = [{ containerID: 0, hostID: FIRST, size: 65_536 }];
/** The types that runc 1.1 knows too, with the name of each in /proc/PID/ns. */
const TYPES = { user: 'user', pid: 'pid', mount: 'mnt', network: 'net', ipc: 'ipc', uts: 'uts', cgroup: 'cgroup' } as const;
type Type = keyof typeof TYPES;
const types = Object.keys(TYPES) as Type[];
/** That of the runtime, a new one, or that of a container, which the host owns, or the user namespace of that container. */
type From = 'none' | 'new' | 'plain' | 'mapped';
type Choice = Readonly<Partial<Record<Type, From>>>;
type Pids = Readonly<Record<'plain' | 'mapped', number>>;

function bundleOf(choice: Choice, pids: Pids | null, args: readonly string[]): string {
  const isMapped = (choice.user ?? 'none') !== 'none';
  const bundle = makeBundle(folder, args, (config) => {
    config.root = { path: 'rootfs', readonly: false };
    config.linux.namespaces = types.flatMap((type) => {
      const from = choice[type] ?? 'none';
      if (from === 'none') return [];
      return from === 'new' || pids === null ? [{ type }] : [{ type, path: `/proc/${pids[from]}/ns/${TYPES[type]}` }];
    });
    // what is mounted needs rights over other namespaces, and names need one of uts
    config.mounts = config.mounts.filter((mount) => ['/proc', '/dev'].includes((mount as { destination: string }).destination));
    Object.assign(config.linux, { maskedPaths: [], readonlyPaths: [], ...(isMapped ? { uidMappings: maps, gidMappings: maps } : {}) });
    delete config.hostname;
  });
  if (isMapped) execFileSync('chown', ['-R', `${FIRST}:${FIRST}`, join(bundle, 'rootfs')]);
  // runc goes there with the rights of the container's root
  for (const path of [folder, bundle]) chmodSync(path, 0o711);
  return bundle;
}

/** Containers whose namespaces are joined, by the ids of their processes. */
async function pods(): Promise<Pids> {
  const all = Object.fromEntries(types.map((type) => [type, 'new'])) as Record<Type, From>;
  const pidOf = async (id: string, choice: Choice): Promise<number> => {
    expect(await oci('run', '--detach', '--bundle', bundleOf(choice, null, ['busybox', 'sleep', '1000']), id)).toMatchObject({ code: 0 });
    return JSON.parse((await oci('state', id)).stdout).pid;
  };
  return { plain: await pidOf('plain', { ...all, user: 'none' }), mapped: await pidOf('mapped', all) };
}

const TELL = [
  `for n in ${Object.values(TYPES).join(' ')}; do busybox readlink /proc/self/ns/$n; done`,
  'id; busybox grep -E "^(Uid|Cap...|NoNewPrivs)" /proc/self/status; busybox tr -s " " < /proc/self/uid_map',
].join(';');

/** What a program tells, with whose each namespace is in the place of its number. */
function shapeOf({ stdout }: RuntimeCall, pids: Pids): string[] {
  const lines = stdout.trim().split('\n');
  const linkOf = (pid: number | string, type: Type): string => readlinkSync(`/proc/${pid}/ns/${TYPES[type]}`);
  const named = types.map((type, at) => {
    if (lines[at] === linkOf(pids.plain, type)) return 'plain';
    if (lines[at] === linkOf(pids.mapped, type)) return 'mapped';
    // runc mounts in a mount namespace that is not the container's, and so it gets one
    return type !== 'mount' && lines[at] === linkOf('self', type) ? 'none' : 'other';
  });
  return [...named, ...lines.slice(types.length)];
}

describe('namespaces that are joined by path', () => {
  it.each<Choice>([
    { user: 'new', pid: 'plain', mount: 'new' },
    { user: 'new', pid: 'plain', mount: 'new', network: 'new', ipc: 'plain', uts: 'new', cgroup: 'new' },
    { user: 'mapped', pid: 'plain', mount: 'new', network: 'mapped' },
    { user: 'mapped', pid: 'mapped', mount: 'new', network: 'plain', ipc: 'new' },
    { user: 'mapped', pid: 'mapped', mount: 'new', network: 'mapped', ipc: 'mapped', uts: 'mapped', cgroup: 'mapped' },
  ])('have that of users among them, beside that of processes: %j', async (choice) => {
    const pids = await pods();
    const told = await oci('run', '--bundle', bundleOf(choice, pids, ['sh', '-c', TELL]), 'one');
    expect(told).toMatchObject({ code: 0, stderr: '' });
    const shape = shapeOf(told, pids);
    const whose = (type: Type): string => (choice[type] === 'new' ? 'other' : (choice[type] ?? 'none'));
    expect(shape.slice(0, types.length)).toEqual(types.map(whose));
    expect(shape.at(-1)?.trim()).toBe(`0 ${FIRST} 65536`);
    expect(shape.at(types.length)).toMatch(/^uid=0(?:\(root\))? gid=0/);
    // proc shows the processes of the namespace that is joined, and its own among them
    const bundle = bundleOf(choice, pids, ['sh', '-c', 'busybox tr "\\0" " " < /proc/1/cmdline; exec busybox sleep 1000']);
    const detached = await oci('run', '--detach', '--bundle', bundle, 'one');
    expect(detached).toMatchObject({ code: 0, stderr: '' });
    const inside = await oci('exec', 'one', 'sh', '-c', `${TELL}; busybox tr "\\0" " " < /proc/1/cmdline`);
    expect(inside).toMatchObject({ code: 0, stderr: '' });
    expect(inside.stdout).toMatch(/busybox sleep 1000 $/);
    expect(shapeOf(inside, pids).slice(0, 2)).toEqual(types.slice(0, 2).map(whose));
  });

  const count = rounds(12, 600);
  it(`are those that runc joins, in ${count} mixes (seed ${seed})`, { timeout: 3_600_000 }, async () => {
    const random = seededRandom(seed);
    const pids = await pods();
    const states = join(folder, 'runc');
    const mixes = new Set<string>();
    let accepted = 0;
    while (mixes.size < count) {
      const from = (type: Type): From => {
        const chosen = (['none', 'new', 'plain', 'mapped'] as const)[Math.floor(random() * 4)] ?? 'none';
        return type === 'user' && chosen === 'plain' ? 'mapped' : chosen;
      };
      const choice = Object.fromEntries(types.map((type) => [type, from(type)])) as Record<Type, From>;
      const told = JSON.stringify(choice);
      if (mixes.has(told)) continue;
      mixes.add(told);
      const bundle = bundleOf(choice, pids, ['sh', '-c', TELL]);
      // without a mount namespace in its config.json runc mounts in its own
      const apart = ['--mount', '--propagation', 'private', 'runc', '--root', states];
      const theirs = await called('unshare', [...apart, 'run', '--bundle', bundle, 'mix']);
      const ours = await oci('run', '--bundle', bundle, 'mix');
      if (theirs.code === 0) {
        ++accepted;
        expect(ours, told).toMatchObject({ code: 0, stderr: '' });
        expect(shapeOf(ours, pids), told).toEqual(shapeOf(theirs, pids));
      } else {
        // runc leaves what it could not make
        await called('runc', ['--root', states, 'delete', '--force', 'mix']);
      }
    }
    expect(accepted).toBeGreaterThan(0);
  });
});
