import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { Container, Namespace, type RunOptions } from '../../../lib/index.js';
import { O_PATH } from '../../../lib/plan/constants.js';
import { NONE } from '../../../lib/plan/plan.js';
import type { Slot, Step } from '../../../lib/plan/steps.js';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../../../lib/security/paths.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { type Change, withPlans } from '../altered-plans.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { beside, program, programFile, said } from '../inside.js';
import { hostFile, rootWith, SECRET, shell } from '../outside.js';

/** Read-only and masked paths are looked for by their paths from the root, and nobody looks whether /proc is still there: as it once was. */
function fromTheRoot(): Change {
  let root: Slot = NONE;
  return (step: Step): Step | readonly Step[] => {
    if (step.op === 'pivot') root = step.root;
    if (step.op === 'require_mount') return [];
    if (step.op === 'readonly') return { ...step, roots: defaultReadonlyPaths.map(() => root), paths: [...defaultReadonlyPaths] };
    if (step.op === 'mask') return { ...step, roots: defaultMaskedPaths.map(() => root), paths: [...defaultMaskedPaths] };
    return step;
  };
}

/** What a container on a root sees, whose /proc is moved away by another one while files are copied in. */
async function movedProc(): Promise<string> {
  const root = await rootWith();
  const slow = hostFile();
  truncateSync(slow.path, 192 << 20);
  const move = 'until [ -e /r/marker ]; do :; done; mv /r/proc /r/moved && mkdir /r/proc';
  return beside({ command: ['sh', '-c', move], volumes: [`${root}:/r`] }, () =>
    said(['sh', '-c', 'if (: >> /moved/sys/kernel/core_pattern) 2>/dev/null; then echo opened; else echo refused; fi'], {
      rootfs: root,
      copyIn: { '/marker': 'now', '/slow': { source: slow.path } },
    }),
  );
}

/** The last process of a plan has a folder of the host open. */
export function leavesOpen(path: string): Change {
  const slot = 90;
  let before: Step['op'] | null = null;
  return (step: Step): Step | readonly Step[] => {
    const isFirst = before !== 'user';
    before = step.op;
    if (step.op === 'dumpable' && isFirst) return [step, { op: 'open', out: slot, at: NONE, path, flags: O_PATH, mode: 0 }];
    if (step.op === 'clone') return { ...step, keep: [...step.keep, slot] };
    return step;
  };
}

/** How others come into a pid namespace, and what must not be seen of them, in the words of test/fixtures/programs/attack.c. */
interface Joining {
  readonly join: (hostile: Container, pid: Namespace) => Promise<unknown>;
  readonly shows: RegExp;
}

const joining: Readonly<Record<'exec' | 'run', Joining>> = {
  exec: { join: (hostile) => hostile.exec(['cat'], { input: 'x' }), shows: /^(?:root|folder|open|memory|may)/ },
  // whose root is another one, though not the host's
  run: {
    join: async (_, pid) => Container.run({ ...(await busybox()), command: ['true'], namespaces: { pid } }),
    shows: /^(?:folder|open|memory|may)/,
  },
};

/** What a program with CAP_SYS_PTRACE sees of those that come into its pid namespace, other than what the container's is. */
async function spied({ join, shows }: Joining, most: number): Promise<string> {
  const { pid } = await Namespace.create(['pid']);
  await using _pid = pid;
  const options = { command: ['/attack', 'spy', 'no-such-text'], copyIn: program('attack'), capAdd: ['SYS_PTRACE'], namespaces: { pid } };
  return await beside(options, async (hostile) => {
    await once(hostile.stdout ?? process, 'readable');
    for (let round = 0; round < most; round++) await join(hostile, pid);
    await hostile.kill();
    const lines = String((await hostile.wait()).stdout)
      .trim()
      .split('\n');
    if (!lines.includes('caught')) return 'nobody was caught';
    return lines.some((line) => shows.test(line)) ? 'sees the host' : 'nothing of the host';
  });
}

/** A root whose /proc is a link to a folder that looks as one. */
export async function rootWithProc(target: string): Promise<string> {
  const root = await rootWith({ proc: target });
  await shell('mkdir -p "$1/$2/sys/net/ipv4"; echo mine > "$1/$2/sys/net/ipv4/ip_default_ttl"', root, target);
  return root;
}

export const setUp = [
  attack({
    attack: 'moves /proc of a root that another container is made on, so that masks are made elsewhere',
    source: 'an attack on an earlier version; CVE-2019-19921, CVE-2025-52881',
    protection: 'paths are resolved below the mounts themselves, which are checked to be in their places at last',
    as: rootOnly('binds of a rootfs are for root'),
    tries: movedProc,
    on: [{}, 'refused: EXDEV'],
    off: byHand('a plan that finds them from the root', 'opened', () => withPlans(fromTheRoot(), movedProc)),
  }),
  ...(['exec', 'run'] as const).map((how) =>
    attack({
      attack: `traces who comes into its pid namespace by ${how}, to get out by what it has open`,
      source: 'CVE-2016-9962; an attack on an earlier version',
      protection: "the namespace is entered last, with nothing of the host's open",
      as: rootOnly('an ordinary user joins no namespace'),
      tries: () => spied(joining[how], rounds(20, 1000)),
      on: [{}, 'nothing of the host'],
      off: byHand('a plan that leaves a folder open', 'sees the host', () => withPlans(leavesOpen('/'), () => spied(joining[how], 40))),
    }),
  ),
  attack({
    attack: 'has a link at /proc to a file system of its own, which a sysctl would be written to',
    source: 'CVE-2025-52881, CVE-2019-16884',
    protection: 'sysctls are written by the descriptor of a proc that was just made',
    tries: async () => {
      const root = await rootWithProc('fake');
      await said(['true'], { rootfs: root, sysctls: { 'net.ipv4.ip_default_ttl': '33' } });
      return shell('cat "$1/fake/sys/net/ipv4/ip_default_ttl"', root);
    },
    on: [{}, 'mine'],
    off: byHand('a write by path', '33', async () =>
      shell('echo 33 > "$1/proc/sys/net/ipv4/ip_default_ttl"; cat "$1/fake/sys/net/ipv4/ip_default_ttl"', await rootWithProc('fake')),
    ),
  }),
  attack({
    attack: 'opens a file of the host by its handle, through a volume of the same disk',
    source: 'shocker, 2014',
    protection: 'no CAP_DAC_READ_SEARCH, and no open_by_handle_at(2) in the filter',
    as: rootOnly('nobody but root opens by handle'),
    tries: async (options: RunOptions) => {
      const [volume, { path }] = [hostFile(), hostFile()];
      const handle = await shell('"$1" handle "$2"', programFile('escape'), path);
      return said(['/escape', 'shocker', '/v', handle], { copyIn: program('escape'), volumes: [`${volume.folder}:/v`], ...options });
    },
    on: [{}, 'EPERM'],
    off: [{ capAdd: ['DAC_READ_SEARCH'] }, SECRET],
  }),
];
