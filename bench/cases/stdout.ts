import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { Container } from 'nacelle';
import { type Case, effort } from '../case.js';
import { figures, interleave } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { bareProgram, succeeded } from '../peers/spawn.js';

const MIB = 2 ** 20;
const BYTES = 1024 * MIB;
const PROGRAM = ['head', '-c', String(BYTES), '/dev/zero'];

/** Reads to the end; MiB a second. */
async function rateOf(stream: Readable | null, ended: () => Promise<unknown>): Promise<number> {
  if (!stream) throw new Error('no pipe');
  let bytes = 0;
  const started = performance.now();
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await ended();
  if (bytes !== BYTES) throw new Error(`${bytes} bytes came of ${BYTES}`);
  return bytes / MIB / ((performance.now() - started) / 1000);
}

async function fromContainer(rootfs: string): Promise<number> {
  const options = { ...containerOptions(rootfs), command: PROGRAM, stdin: 'ignore', stderr: 'ignore', buffer: false } as const;
  await using container = await Container.create(options);
  return await rateOf(container.stdout, async () => {
    await container.start();
    const { failed, reason } = await container.wait();
    if (failed) throw new Error(`the container ${reason}`);
  });
}

async function fromSpawn(rootfs: string): Promise<number> {
  const [command] = bareProgram(rootfs);
  const child = spawn(command, PROGRAM, { stdio: ['ignore', 'pipe', 'ignore'] });
  return rateOf(child.stdout, () => succeeded(child, () => ''));
}

export const stdout: Case = {
  name: 'stdout',
  async measure(context) {
    const [ours, theirs] = await interleave(
      [figures('Container', () => fromContainer(context.rootfs)), figures('spawn', () => fromSpawn(context.rootfs))],
      effort(context, { rounds: 8, batch: 1 }, { rounds: 2, batch: 1 }),
    );
    if (!ours || !theirs) throw new Error('nothing was measured');
    return [
      {
        what: '1 GiB of stdout, against spawn',
        unit: 'MiB/s',
        measured: ours,
        against: { name: 'child_process.spawn', measured: theirs },
        compare: 'ratio',
        target: { bound: 'at least', value: 0.9 },
      },
    ];
  },
};
