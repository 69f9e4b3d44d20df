import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { USER } from '../../test/fixtures/ordinary-user.js';
import { type Case, type Context, effort, NotHere } from '../case.js';
import { inFolder } from '../folder.js';
import { interleave } from '../measure.js';
import { NodeWorker } from '../peers/worker.js';
import type { Line, Row } from '../table.js';

/** Containers of an ordinary user: against bubblewrap of the same user, and against root's. No limits in any, as a user has no groups here. */
export const rootless: Case = { name: 'rootless', measure: (context) => withUser(context, againstOthers) };

/** Runs of an ordinary user on networks, against those on none. */
export const rootlessNetwork: Case = { name: 'rootless-network', measure: (context) => withUser(context, onNetworks) };

/** A process of the user's, and one of root's, with the small root file system. */
interface Workers {
  readonly user: NodeWorker;
  readonly root: NodeWorker;
}

async function withUser(context: Context, use: (workers: Workers, context: Context) => Promise<Line[]>): Promise<Line[]> {
  const closed = closedAbove(dirname(fileURLToPath(import.meta.url)));
  if (closed) throw new NotHere(`other users may not read ${closed}`);
  return await inFolder((folder) => inUsersFolder(context, folder, use));
}

async function inUsersFolder(
  context: Context,
  folder: string,
  use: (workers: Workers, context: Context) => Promise<Line[]>,
): Promise<Line[]> {
  const home = join(folder, 'home');
  mkdirSync(home);
  chownSync(home, USER, USER);
  const rootfs = join(folder, 'rootfs');
  execFileSync('cp', ['-a', context.rootfs, rootfs]);
  execFileSync('chown', ['-hR', `${USER}:${USER}`, rootfs]);
  const user = new NodeWorker(rootfs, 0, { id: USER, home });
  const root = new NodeWorker(rootfs, 0);
  try {
    return await use({ user, root }, context);
  } finally {
    await user.close();
    await root.close();
  }
}

async function againstOthers({ user, root }: Workers, context: Context): Promise<Line[]> {
  const subjects = [user.subject('rootless', 'unlimited'), user.subject('bwrap', 'bwrap'), root.subject('root', 'unlimited')];
  const plan = effort(context, { rounds: 30, batch: 10, warm: 500 }, { rounds: 10, batch: 5, warm: 100 });
  const [ours, theirs, asRoot] = await interleave(subjects, plan);
  if (!ours || !theirs || !asRoot) throw new Error('nothing was measured');
  const row = { unit: 'ms', measured: ours, compare: 'ratio' } as const satisfies Partial<Row>;
  return [
    {
      ...row,
      what: 'Container.run of an ordinary user, against bwrap',
      against: { name: 'bwrap by that user', measured: theirs },
      target: { bound: 'at most', value: 1.3 },
    },
    {
      ...row,
      what: "Container.run of an ordinary user, against root's",
      against: { name: 'Container.run as root', measured: asRoot },
      target: { bound: 'at most', value: 1.4 },
    },
  ];
}

async function onNetworks({ user }: Workers, context: Context): Promise<Line[]> {
  const lines: Line[] = [];
  for (const network of ['bridge', 'pasta'] as const) {
    const what = `a run of an ordinary user with network: '${network}'`;
    const on = user.subject(network, network);
    const reason = await on.run(1).then(
      () => null,
      (error: unknown) => String(error),
    );
    if (reason !== null) {
      lines.push({ what, reason });
      continue;
    }
    const plan = effort(context, { rounds: 30, batch: 4 }, { rounds: 10, batch: 4 });
    const [none, measured] = await interleave([user.subject('none', 'none'), on], plan);
    if (!none || !measured) throw new Error('nothing was measured');
    lines.push({ what, unit: 'ms', measured, against: { name: "network: 'none'", measured: none }, compare: 'difference' });
  }
  return lines;
}

/** The first folder on the way to that one which others may not enter and read. */
function closedAbove(folder: string): string | null {
  if ((statSync(folder).mode & 0o005) !== 0o005) return folder;
  return folder === '/' ? null : closedAbove(dirname(folder));
}
