import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Container, type ContainerOptions } from 'nacelle';
import { processes, readText } from '../../test/fixtures/host.js';
import { type Case, effort } from '../case.js';
import { inFolder } from '../folder.js';
import { figures, interleave, type Subject, subject, summarise } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { bareProgram, succeeded } from '../peers/spawn.js';

const MIB = 2 ** 20;
const BYTES = 256 * MIB;
const LISTED = 200;
/** Live shims whose memory is looked at. */
const LIVE = 8;
/** Until the next container's shim was started ahead, ms. */
const IDLE = 150;

const sleeper = (rootfs: string): ContainerOptions => ({ ...containerOptions(rootfs), command: ['/bin/sleep', '100000'] });

async function started(options: ContainerOptions): Promise<Container> {
  const container = await Container.create(options);
  await container.start();
  return container;
}

/** Containers that live as long as they are used. */
async function withDetached<T>(rootfs: string, count: number, use: (containers: readonly Container[]) => Promise<T>): Promise<T> {
  const containers: Container[] = [];
  try {
    while (containers.length < count) containers.push(await started({ ...sleeper(rootfs), detach: true }));
    return await use(containers);
  } finally {
    await Promise.all(containers.map((container) => container.remove({ force: true })));
  }
}

/** From the call until the program runs, while nothing else is made. */
function starts(name: string, options: ContainerOptions): Subject {
  return {
    name,
    async run(count) {
      const times: number[] = [];
      for (let i = 0; i < count; i++) {
        await sleep(IDLE);
        const before = performance.now();
        const container = await started(options);
        times.push(performance.now() - before);
        await container.remove({ force: true });
      }
      return times;
    },
  };
}

export const detachedStart: Case = {
  name: 'detached-start',
  async measure(context) {
    const options = sleeper(context.rootfs);
    const subjects = [starts('detached', { ...options, detach: true }), starts("a start in Node's shim", options)];
    const length = effort(context, { rounds: 60, batch: 2, warm: 60 }, { rounds: 15, batch: 2, warm: 30 });
    const [measured, theirs] = await interleave(subjects, length);
    if (!measured || !theirs) throw new Error('nothing was measured');
    const row = { what: 'a detached start', unit: 'ms', measured, compare: 'ratio' } as const;
    return [{ ...row, against: { name: "a start in Node's shim", measured: theirs }, target: { bound: 'at most', value: 1.8 } }];
  },
};

export const attaching: Case = {
  name: 'attach',
  async measure(context) {
    await using container = await started({ ...containerOptions(context.rootfs), detach: true });
    try {
      await container.wait();
      const attach = subject('attach and wait', async () => {
        await using again = await Container.attach(container.id);
        await again.wait();
      });
      const [measured] = await interleave(
        [attach],
        effort(context, { rounds: 20, batch: 10, warm: 50 }, { rounds: 5, batch: 10, warm: 50 }),
      );
      if (!measured) throw new Error('nothing was measured');
      return [{ what: 'attach and wait of an ended container', unit: 'ms', measured, target: { bound: 'at most', value: 5 } }];
    } finally {
      await container.remove();
    }
  },
};

export const listing: Case = {
  name: 'list',
  measure: ({ rootfs, ...context }) =>
    withDetached(rootfs, LISTED, async () => {
      const list = subject('list', async () => {
        const found = await Container.list({ state: 'running' });
        if (found.length < LISTED) throw new Error(`${found.length} containers were found of ${LISTED}`);
      });
      const length = effort({ rootfs, ...context }, { rounds: 10, batch: 5, warm: 10 }, { rounds: 4, batch: 5, warm: 10 });
      const [measured] = await interleave([list], length);
      if (!measured) throw new Error('nothing was measured');
      return [{ what: `Container.list() of ${LISTED} detached`, unit: 'ms', measured, target: { bound: 'at most', value: 30 } }];
    }),
};

/** KiB: its own, and its share of what it has in common with others. */
function proportionalSize(id: string): number {
  const shim = processes().find(({ pid }) => readText(`/proc/${pid}/cmdline`)?.endsWith(`${id}\0detached\0`));
  const size = /^Pss:\s+(\d+) kB$/m.exec(readText(`/proc/${shim?.pid}/smaps_rollup`) ?? '')?.[1];
  if (size === undefined) throw new Error(`the container ${id} has no shim`);
  return Number(size);
}

export const shimMemory: Case = {
  name: 'detached-memory',
  measure: ({ rootfs }) =>
    withDetached(rootfs, LIVE, async (containers) => {
      const measured = summarise(containers.map(({ id }) => proportionalSize(id)));
      return [{ what: 'memory of a detached shim (PSS)', unit: 'KiB', measured, target: { bound: 'at most', value: 700 } }];
    }),
};

/** MiB a second. */
const rates = (name: string, once: () => Promise<number>): Subject => figures(name, async () => BYTES / MIB / ((await once()) / 1000));

/** What a program writes, through its log and through a pipe into one file. */
export const logging: Case = {
  name: 'log',
  measure: (context) =>
    inFolder(async (folder) => {
      const program = ['head', '-c', String(BYTES), '/dev/zero'];
      const logged = async (): Promise<number> => {
        const container = await Container.create({
          ...containerOptions(context.rootfs),
          command: program,
          detach: true,
          buffer: false,
          stderr: 'ignore',
        });
        try {
          const before = performance.now();
          await container.start();
          const { failed, reason } = await container.wait();
          if (failed) throw new Error(`the container ${reason}`);
          return performance.now() - before;
        } finally {
          await container.remove({ force: true });
        }
      };
      const [busybox] = bareProgram(context.rootfs);
      const file = join(folder, 'output');
      const piped = async (): Promise<number> => {
        const before = performance.now();
        const child = spawn('sh', ['-c', `${busybox} ${program.join(' ')} | cat > ${file}`], { stdio: 'ignore' });
        await succeeded(child, () => '');
        const took = performance.now() - before;
        if (statSync(file).size !== BYTES) throw new Error('the file is not whole');
        return took;
      };
      const length = effort(context, { rounds: 8, batch: 1 }, { rounds: 3, batch: 1 });
      const [measured, theirs] = await interleave([rates('its log', logged), rates('cat > file', piped)], length);
      if (!measured || !theirs) throw new Error('nothing was measured');
      const row = { what: '256 MiB of a detached container into its log', unit: 'MiB/s', measured, compare: 'ratio' } as const;
      return [{ ...row, against: { name: 'cat > file', measured: theirs }, target: { bound: 'at least', value: 0.7 } }];
    }),
};
