import { Container } from 'nacelle';
import { type Case, type Context, effort, NotHere } from '../case.js';
import { interleave, type Subject, subject } from '../measure.js';
import { containerOptions, ownRun } from '../peers/nacelle.js';
import { runtimeExec } from '../peers/runtime-exec.js';
import type { Line } from '../table.js';

const WARM = 500;

/** A program in a container that lives, against a peer. */
function against(name: string, peer: (rootfs: string) => Subject | Promise<Subject>, target: number): Case {
  return { name: `exec-${name}`, measure: (context) => measure(context, name, peer, target) };
}

async function measure(
  context: Context,
  name: string,
  peer: (rootfs: string) => Subject | Promise<Subject>,
  target: number,
): Promise<Line[]> {
  const what = `Container.exec, against ${name}`;
  await using container = await Container.create({ ...containerOptions(context.rootfs), command: ['/bin/sleep', '100000'] });
  await container.start();
  const ours = subject('Container.exec', async () => {
    const { failed, reason } = await container.exec(['/bin/true']);
    if (failed) throw new Error(`the program ${reason}`);
  });
  try {
    const other = await peer(context.rootfs);
    const length = effort(context, { rounds: 30, batch: 10, warm: WARM }, { rounds: 10, batch: 5, warm: WARM });
    const [measured, theirs] = await interleave([ours, other], length).finally(() => other.close?.());
    if (!measured || !theirs) throw new Error('nothing was measured');
    const row = { what, unit: 'ms', measured, against: { name: other.name, measured: theirs }, compare: 'ratio' } as const;
    return [{ ...row, target: { bound: 'at most', value: target } }];
  } catch (error) {
    if (error instanceof NotHere) return [{ what, reason: error.message }];
    throw error;
  }
}

export const exec: readonly Case[] = [
  against('run', ownRun, 0.6),
  against('crun', (rootfs) => runtimeExec('crun', rootfs), 0.35),
  against('runc', (rootfs) => runtimeExec('runc', rootfs), 0.12),
];
