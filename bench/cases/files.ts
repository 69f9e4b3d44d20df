import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container, type RunOptions } from 'nacelle';
import { type Case, type Context, effort } from '../case.js';
import { inFolder } from '../folder.js';
import { interleave, type Subject, subject } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { bareProgram, succeeded } from '../peers/spawn.js';
import type { Line } from '../table.js';

const MIB = 2 ** 20;
const BYTES = 256 * MIB;

/** What each way to give a stream costs a run: the pump is one process more. */
async function startingWith({ rootfs, ...context }: Context, folder: string): Promise<Line[]> {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  const fd = openSync(file, 'a+');
  const run = (name: string, streams: RunOptions): Subject =>
    subject(name, () => Container.run({ ...containerOptions(rootfs), ...streams }));
  const ways = [
    run('stdin: { file }', { stdin: { file } }),
    run('a pump: stdout: { file }', { stdout: { file } }),
    run('a pump: stdin: fd', { stdin: fd }),
  ];
  try {
    const plan = effort({ rootfs, ...context }, { rounds: 100, batch: 4 }, { rounds: 10, batch: 4 });
    const [pipes, ...others] = await interleave([run('ignore and pipes', {}), ...ways], plan);
    return others.flatMap((measured, index): Line[] => {
      if (!pipes) return [];
      const what = `a run with ${ways[index]?.name ?? ''}`;
      return [{ what, unit: 'ms', measured, against: { name: 'ignore and pipes', measured: pipes }, compare: 'ratio' }];
    });
  } finally {
    closeSync(fd);
  }
}

/** MiB a second. */
function rates(name: string, once: () => Promise<unknown>): Subject {
  const { run } = subject(name, once);
  return { name, run: async (count) => (await run(count)).map((ms) => BYTES / MIB / (ms / 1000)) };
}

/** Much output: through the pump, through Node, and by a program that holds the file. */
async function copying(context: Context, folder: string): Promise<Line[]> {
  const file = join(folder, 'output');
  const command = ['head', '-c', String(BYTES), '/dev/zero'];
  const inContainer = async (streams: RunOptions): Promise<void> => {
    const { failed, reason } = await Container.run({
      ...containerOptions(context.rootfs),
      command,
      maxBuffer: BYTES,
      encoding: 'buffer',
      ...streams,
    });
    if (failed) throw new Error(`the container ${reason}`);
  };
  const bare = async (): Promise<void> => {
    const fd = openSync(file, 'w');
    try {
      const child = spawn(bareProgram(context.rootfs)[0], command, { stdio: ['ignore', fd, 'ignore'] });
      await succeeded(child, () => '');
    } finally {
      closeSync(fd);
    }
  };
  const subjects = [
    rates('the pump', () => inContainer({ stdout: { file } })),
    rates('a pipe to Node', () => inContainer({})),
    rates('the bare file', bare),
  ];
  const [pumped, piped, direct] = await interleave(subjects, effort(context, { rounds: 8, batch: 1 }, { rounds: 2, batch: 1 }));
  if (!pumped || !piped || !direct) throw new Error('nothing was measured');
  const row = { unit: 'MiB/s', measured: pumped, compare: 'ratio' } as const;
  return [
    { ...row, what: '256 MiB into a file by the pump, against a pipe', against: { name: 'a pipe to Node', measured: piped } },
    { ...row, what: '256 MiB into a file by the pump, against the bare file', against: { name: 'child_process.spawn', measured: direct } },
  ];
}

export const files: Case = {
  name: 'files',
  measure: (context) => inFolder(async (folder) => [...(await startingWith(context, folder)), ...(await copying(context, folder))]),
};
