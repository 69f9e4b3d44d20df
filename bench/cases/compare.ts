import { type Case, type Context, effort, NotHere } from '../case.js';
import { inFolder } from '../folder.js';
import { interleave, type Subject } from '../measure.js';
import { bwrap } from '../peers/bwrap.js';
import { crun } from '../peers/crun.js';
import { execaOf } from '../peers/execa.js';
import { floor } from '../peers/floor.js';
import { alternating, busyboxInFolder, busyboxOnHost, nacelle, onHost } from '../peers/nacelle.js';
import { runc } from '../peers/runc.js';
import { sandboxRuntime } from '../peers/sandbox-runtime.js';
import { spawned } from '../peers/spawn.js';
import type { Line } from '../table.js';

/** Runs of ours until V8 has compiled what it will: before, its other threads take a processor from what is measured. */
const OURS_WARM = 4000;
/** Runs of a peer that come first and don't count. */
const WARM = 100;

/** A container against peers, which are measured in turns: ratios of medians, with a target where one is set. */
interface Comparison {
  readonly what: string;
  readonly ours: (rootfs: string) => Subject;
  readonly peers: readonly Peer[];
}

interface Peer {
  readonly name: string;
  readonly open: (rootfs: string, folder: string) => Subject | Promise<Subject>;
  readonly target?: number;
}

function comparison(name: string, compared: Comparison): Case {
  return { name, measure: (context) => inFolder((folder) => measure(context, folder, compared)) };
}

async function measure(context: Context, folder: string, { what, ours, peers }: Comparison): Promise<Line[]> {
  const missing: Line[] = [];
  const here: (Peer & { readonly subject: Subject })[] = [];
  for (const peer of peers) {
    try {
      here.push({ ...peer, subject: await peer.open(context.rootfs, folder) });
    } catch (error) {
      if (!(error instanceof NotHere)) throw error;
      missing.push({ what: `${what}, against ${peer.name}`, reason: error.message });
    }
  }
  if (here.length === 0) return missing;
  const length = effort(context, { rounds: 30, batch: 10, warm: WARM }, { rounds: 10, batch: 5, warm: 10 });
  const container = ours(context.rootfs);
  await container.run(context.quick ? WARM : OURS_WARM);
  const subjects = [container, ...here.map(({ subject }) => subject)];
  const [measured, ...others] = await interleave(subjects, length).finally(() => Promise.all(here.map(({ subject }) => subject.close?.())));
  return [
    ...here.flatMap(({ name, subject, target }, index): Line[] => {
      const against = others[index];
      if (!measured || !against) return [];
      const row = { what: `${what}, against ${name}`, unit: 'ms', measured, compare: 'ratio' } as const;
      const compared = { ...row, against: { name: subject.name, measured: against } };
      return [target === undefined ? compared : { ...compared, target: { bound: 'at most', value: target } }];
    }),
    ...missing,
  ];
}

/** The container of every comparison against one peer. */
function against(name: string, open: Peer['open'], target?: number): Case {
  return comparison(name, { what: 'Container.run', ours: nacelle, peers: [{ name, open, ...(target !== undefined && { target }) }] });
}

/** The three that every kind of run is compared with. */
function three(bubblewrap: number, bare: number, unsandboxed: number): Peer[] {
  return [
    { name: 'bwrap', open: bwrap, target: bubblewrap },
    { name: 'floor', open: floor, target: bare },
    { name: 'execa', open: execaOf, target: unsandboxed },
  ];
}

export const comparisons: readonly Case[] = [
  against('bwrap', bwrap, 0.45),
  against('runc', runc, 0.12),
  against('crun', crun, 0.4),
  against('floor', floor, 1.3),
  against('execa', execaOf, 0.8),
  against('spawn', spawned),
  comparison('host', {
    what: "Container.run, image 'host'",
    ours: onHost,
    peers: [...three(0.55, 1.6, 0.95), { name: 'a folder, where true is another program', open: nacelle }],
  }),
  comparison('same-program', {
    what: "Container.run, image 'host', busybox",
    ours: busyboxOnHost,
    peers: [{ name: 'a folder', open: busyboxInFolder, target: 1.15 }],
  }),
  comparison('shapes', { what: 'Container.run, shapes in turns', ours: alternating, peers: three(0.6, 1.7, 1) }),
  comparison('sandbox-runtime', {
    what: "Container.run, image 'host'",
    ours: onHost,
    peers: [{ name: 'sandbox-runtime', open: sandboxRuntime, target: 0.1 }],
  }),
];
