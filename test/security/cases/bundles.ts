import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { processSeen } from '../../../lib/host/process-identity.js';
import { ownCaller } from '../../../lib/runtime-cli/caller/caller.js';
import { deleteContainer } from '../../../lib/runtime-cli/change-container.js';
import { createContainer, leavePlans } from '../../../lib/runtime-cli/create-container.js';
import { type StateFolder, stateFolder } from '../../../lib/runtime-cli/state/container-state.js';
import {
  besideBundle,
  bundleOf,
  bundleSays,
  execIn,
  orRefused,
  ROOT_RIGHTS,
  saidIn,
  statesFolder,
} from '../../fixtures/bundle-container.js';
import { removeGroups } from '../../fixtures/groups.js';
import { isAlive } from '../../fixtures/host.js';
import { rounds } from '../../fixtures/rounds.js';
import { type BundleChange, bundleGroups } from '../../fixtures/runtime-bundle.js';
import { until } from '../../fixtures/until.js';
import { withPlans } from '../altered-plans.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { programFile } from '../inside.js';
import { emptyFolder, hostFile, privately, rootWith, SECRET, shell, withVictim } from '../outside.js';
import { any, inheritedRoot, NUMBERS, rewrites, standIn } from './descriptors.js';
import { byPath, madeByPath } from './mounts.js';
import { leavesOpen, rootWithProc } from './set-up.js';

const as = rootOnly('these bundles are run by root');

/** The mounts of config.json but for those at some places. */
const without =
  (...places: readonly string[]): BundleChange =>
  (config) => {
    config.mounts = config.mounts.filter((mount) => !places.includes((mount as { destination: string }).destination));
    // what is masked there would not be found
    Object.assign(config.linux, { maskedPaths: [], readonlyPaths: [] });
  };

const capabilities = (...names: readonly string[]) => Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, names]));

/** A bundle in which one path is a link to a folder of the host, and what became of that. */
async function linked(path: string, change: BundleChange = () => undefined): Promise<string> {
  const host = hostFile();
  const script = 'echo x > /data/x; echo x > /proc/x; echo x > /sys/x; echo x > /dev/x; true';
  await bundleSays(bundleOf(script, change, { [path]: host.folder }));
  return host.state();
}

/** A root in which the null device is a link, and mount(8) that masks a file with it by path. */
const maskByPath = byHand('mount(8) by path', 'opened', async () => {
  const root = await rootWith({ 'dev/null': '/proc/sys/kernel/core_pattern' });
  const script = 'mount -t proc proc "$1/proc"; mount --bind "$1/dev/null" "$1/proc/timer_list"; : >> "$1/proc/timer_list" && echo opened';
  return privately(script, root);
});

const writableNull: BundleChange = (config) => {
  without('/dev')(config);
  Object.assign(config.linux, { maskedPaths: ['/proc/timer_list'], readonlyPaths: ['/proc/sys'] });
};

/** A container that waits for its start, whose process is still the runtime's. */
async function createdBundle<T>(use: (pid: number) => Promise<T>): Promise<T> {
  const request = {
    root: statesFolder(),
    id: 'one',
    bundle: bundleOf('true'),
    config: 'config.json',
    pidFile: null,
    consoleSocket: null,
    pidfdSocket: null,
  };
  const more = { caller: ownCaller(), debug: () => undefined, rights: ROOT_RIGHTS, newKeyring: true, noPivot: false, detach: false };
  const { made } = await createContainer({ ...request, ...more, keep: false, preservedFds: 0, systemd: false }, leavePlans);
  const { folder, record, task } = made;
  try {
    return await use(record.pid);
  } finally {
    await deleteContainer(folder, { force: true, caller: ownCaller() });
    await task.ended;
    await removeGroups(...bundleGroups());
  }
}

/** What a program with CAP_SYS_PTRACE in a bundle's container sees of those that `exec` brings there. */
async function spied(most: number): Promise<string> {
  const bundle = bundleOf('/attack spy no-such-text', (config) =>
    Object.assign(config.process, { capabilities: capabilities('CAP_SYS_PTRACE') }),
  );
  copyFileSync(programFile('attack'), join(bundle, 'rootfs/attack'));
  chmodSync(join(bundle, 'rootfs/attack'), 0o755);
  return besideBundle(bundle, async (container) => {
    await until('it looks', () => saidIn(bundle) !== '');
    for (let round = 0; round < most; ++round) await execIn(container, ['busybox', 'true']);
    const lines = saidIn(bundle).split('\n');
    if (!lines.includes('caught')) return 'nobody was caught';
    return lines.some((line) => /^(?:root|folder|open|memory|may)/.test(line)) ? 'sees the host' : 'nothing of the host';
  });
}

/** A record of a container that was forged: its process is one of the host's. */
async function forged({ mode }: { mode: number }): Promise<string> {
  return withVictim(async (pid, victim) => {
    const root = statesFolder();
    const container: StateFolder = stateFolder(root, 'one');
    mkdirSync(container.path, { recursive: true });
    chmodSync(root, mode);
    const record = {
      ...{ format: 1, ociVersion: '1.3.0', id: 'one', pid, startTime: processSeen(pid)?.startTime, bundle: '/', rootfs: '/', created: '' },
      ...{ owner: 'root', annotations: {}, groups: [], home: '/none', freezer: { path: '/none', version: 2 } },
      config: { ociVersion: '1.3.0', root: { path: '/' } },
    };
    writeFileSync(join(container.path, 'state.json'), JSON.stringify(record));
    const ended = once(victim, 'exit');
    const answer = await orRefused(async () => {
      await deleteContainer(container, { force: true, caller: ownCaller() });
      return 'deleted';
    });
    if (answer !== 'deleted') return isAlive(pid) ? answer : 'killed';
    await ended;
    return 'killed';
  });
}

export const bundles = [
  ...['proc', 'sys', 'dev'].map((name) =>
    attack({
      attack: `has a link to a folder of the host at /${name}, where config.json mounts`,
      source: name === 'dev' ? 'CVE-2021-30465' : 'CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867',
      protection: 'mount points are found below the root, and mounted on by descriptor',
      as,
      tries: () => linked(name),
      on: [{}, 'untouched'],
      off: byPath(name),
    }),
  ),
  attack({
    attack: 'has a link in the middle of the destination of a bind',
    source: 'CVE-2021-30465, CVE-2024-45310',
    protection: 'destinations are resolved by openat2(2) with RESOLVE_IN_ROOT',
    as,
    tries: () =>
      linked('data', (config) =>
        config.mounts.push({ destination: '/data/deep/er', type: 'bind', source: emptyFolder(), options: ['bind'] }),
      ),
    on: [{}, 'untouched'],
    off: madeByPath,
  }),
  attack({
    attack: 'has a link to core_pattern at /dev/null, of which masks are made',
    source: 'CVE-2025-31133, CVE-2025-62161',
    protection: 'the file of a mask is checked to be the null device',
    as,
    tries: () =>
      bundleSays(
        bundleOf('(: >> /proc/timer_list) 2>/dev/null && echo opened', writableNull, { 'dev/null': '/proc/sys/kernel/core_pattern' }),
      ),
    on: [{}, 'refused: EXDEV'],
    off: maskByPath,
  }),
  attack({
    attack: 'has no /dev/null, of which masks are made',
    source: 'CVE-2025-31133',
    protection: "a path that can't be masked is an error before the program starts",
    as,
    tries: () => bundleSays(bundleOf('(: < /proc/timer_list) 2>/dev/null && echo opened', writableNull)),
    on: [{}, 'refused: ENOENT'],
    off: byHand('mount(8) whose failure is passed over', 'opened', async () =>
      privately(
        'mount -t proc proc "$1/proc"; mount --bind "$1/dev/null" "$1/proc/timer_list"; : < "$1/proc/timer_list" && echo opened',
        await rootWith(),
      ),
    ),
  }),
  attack({
    attack: 'has a link to core_pattern at /dev/console, where its terminal is mounted',
    source: 'CVE-2025-52565',
    protection: 'the terminal is mounted by descriptor, and nowhere but on the mount that has /dev',
    as,
    tries: async () => {
      const consoleSocket = join(emptyFolder(), 'console');
      const server = createServer().listen(consoleSocket);
      await once(server, 'listening');
      const bundle = bundleOf(
        'test -c /proc/sys/kernel/core_pattern && echo mounted there',
        (config) => {
          without('/dev')(config);
          Object.assign(config.process, { terminal: true });
        },
        { 'dev/console': '/proc/sys/kernel/core_pattern' },
      );
      try {
        return await bundleSays(bundle, { consoleSocket });
      } finally {
        server.close();
      }
    },
    on: [{}, 'refused: EXDEV'],
    off: byHand('mount(8) by path', 'mounted there', async () => {
      const root = await rootWith({ 'dev/console': '/proc/sys/kernel/core_pattern' });
      return privately('mount --bind /dev/null "$1/dev/console"; test -c /proc/sys/kernel/core_pattern && echo mounted there', root);
    }),
  }),
  attack({
    attack: 'has a bind at /proc to a folder with files of the same names, to which a sysctl would be written',
    source: 'CVE-2025-52881, CVE-2025-62596, CVE-2019-16884',
    protection: 'sysctls are written by a descriptor of a mount that is checked to be proc',
    as,
    tries: async () => {
      const fake = join(await rootWithProc('fake'), 'fake');
      const answer = await bundleSays(
        bundleOf('true', (config) => {
          without('/proc')(config);
          config.mounts.push({ destination: '/proc', type: 'bind', source: fake, options: ['bind'] });
          config.linux.sysctl = { 'net.ipv4.ip_default_ttl': '33' };
        }),
      );
      return `${answer}, ${await shell('cat "$1/sys/net/ipv4/ip_default_ttl"', fake)}`;
    },
    on: [{}, 'refused: EXDEV, mine'],
    off: byHand('a write by path', '33', async () =>
      shell('echo 33 > "$1/proc/sys/net/ipv4/ip_default_ttl"; cat "$1/fake/sys/net/ipv4/ip_default_ttl"', await rootWithProc('fake')),
    ),
  }),
  ...(['run', 'exec'] as const).map((how) =>
    attack({
      attack: `has a descriptor that the runtime has open as process.cwd, by ${how}`,
      source: 'CVE-2024-21626',
      protection: 'nothing is left open, and the folder is checked to be inside the root after the last chdir(2)',
      as,
      tries: () => {
        const read = 'busybox cat secret';
        const byRun = (cwd: string) => () => bundleSays(bundleOf(read, (config) => Object.assign(config.process, { cwd })));
        if (how === 'run')
          return any(
            NUMBERS.map((fd) => byRun(`/proc/self/fd/${fd}`)),
            SECRET,
          );
        const bundle = bundleOf('busybox sleep 1000');
        return besideBundle(bundle, (container) => {
          const byExec = (cwd: string) => () =>
            orRefused(async () => {
              await execIn(container, ['sh', '-c', `${read} > /said 2>&1`], { cwd });
              return saidIn(bundle);
            });
          return any(
            NUMBERS.map((fd) => byExec(`/proc/self/fd/${fd}`)),
            SECRET,
          );
        });
      },
      on: [{}, 'refused'],
      off: inheritedRoot,
    }),
  ),
  attack({
    attack: 'writes to the program of a container that was created, by /proc/PID/exe',
    source: 'CVE-2019-5736',
    protection: "the shim's file is a memfd, sealed, behind a read-only mount that nobody has",
    as,
    tries: () => createdBundle((pid) => rewrites(`/proc/${pid}/exe`, async () => undefined)),
    on: [{}, 'refused'],
    off: byHand('a runtime that is a file', 'written', () => standIn((pid, end) => rewrites(`/proc/${pid}/exe`, end))),
  }),
  attack({
    attack: 'finds capabilities of `exec --cap` in the inheritable set, which a file may raise',
    source: 'CVE-2022-29162',
    protection: 'flags add nothing to the inheritable set, nor to the ambient one where nothing is inherited',
    as,
    tries: async ({ inheritable }: { inheritable?: string }) => {
      const bundle = bundleOf('busybox sleep 1000', (config) => {
        if (inheritable) Object.assign(config.process, { capabilities: { ...capabilities(inheritable), inheritable: [inheritable] } });
      });
      const script =
        'busybox grep -E "Cap(Inh|Amb)" /proc/self/status | busybox grep -vq 0000000000000000 && echo some > /said || echo none > /said';
      return besideBundle(bundle, async (container) => {
        await execIn(container, ['sh', '-c', script], { capabilities: ['CAP_NET_RAW'] });
        return saidIn(bundle);
      });
    },
    on: [{}, 'none'],
    off: [{ inheritable: 'CAP_NET_RAW' }, 'some'],
  }),
  attack({
    attack: 'traces what comes into its pid namespace by `exec`, to get out by what that has open',
    source: 'CVE-2016-9962',
    protection: "the namespace is entered last, with nothing of the host's open",
    as,
    tries: () => spied(rounds(20, 500)),
    on: [{}, 'nothing of the host'],
    off: byHand('a plan that leaves a folder open', 'sees the host', () => withPlans(leavesOpen('/'), () => spied(40))),
  }),
  attack({
    attack: 'has an id that leads out of the folder of states',
    source: 'path traversal',
    protection: 'an id is one name, in the characters that runc allows',
    as,
    tries: async () => {
      const root = statesFolder();
      const answer = await orRefused(async () => {
        await createContainer(
          {
            ...{
              root,
              id: '../out',
              bundle: bundleOf('true'),
              config: 'config.json',
              pidFile: null,
              consoleSocket: null,
              pidfdSocket: null,
            },
            ...{
              newKeyring: true,
              noPivot: false,
              detach: true,
              keep: false,
              preservedFds: 0,
              systemd: false,
              caller: ownCaller(),
              debug: () => undefined,
              rights: ROOT_RIGHTS,
            },
          },
          leavePlans,
        );
        return 'created';
      });
      return statSync(join(root, '../out'), { throwIfNoEntry: false }) ? 'made outside' : answer;
    },
    on: [{}, 'refused: ERR_INVALID_OPTION'],
    off: byHand('mkdir(1) with the id', 'made outside', async () =>
      shell('mkdir -p "$1"; mkdir "$1/../out"; test -d "$1/../out" && echo made outside', statesFolder()),
    ),
  }),
  attack({
    attack: 'has written the record of a container, by which `delete --force` kills a process of the host',
    source: 'state folders of others',
    protection: 'nobody but root may write where the states are, which each command checks',
    as,
    tries: forged,
    on: [{ mode: 0o777 }, 'refused: ERR_NOT_OWN'],
    off: [{ mode: 0o700 }, 'killed'],
  }),
];
