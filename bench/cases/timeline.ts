import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Span, Timeline } from '../../lib/native/timeline.js';
import { type Case, effort } from '../case.js';
import { summarise } from '../measure.js';
import type { Line } from '../table.js';
import { timelineSvg } from '../timeline-svg.js';

const program = fileURLToPath(new URL('../programs/timelines.mjs', import.meta.url));
const picture = fileURLToPath(new URL('../../docs/timeline.svg', import.meta.url));
const MAX_TEXT = 256 * 1024 * 1024;

/** The timelines of runs one after the other in a fresh Node, without those that came while V8 compiled. */
async function timelines(rootfs: string, count: number): Promise<Timeline[]> {
  const { stderr } = await promisify(execFile)(process.execPath, [program, `dir:${rootfs}`, String(count)], {
    env: { PATH: process.env.PATH, NACELLE_TRACE: 'json' },
    maxBuffer: MAX_TEXT,
  });
  const all = stderr
    .trimEnd()
    .split('\n')
    .map((line): Timeline => JSON.parse(line));
  return all.filter(({ name }) => name === 'Container.run').slice(-count / 2);
}

/** The same for every machine: no group's whole path, and not where the image is. */
function withoutPlaces({ name, spans }: Timeline, rootfs: string): Timeline {
  return {
    name,
    spans: spans.map((span) => ({
      ...span,
      what: span.what.replaceAll(/(\/sys\/fs\/cgroup\/[\w,]+)\/\S+/g, '$1/…').replaceAll(rootfs, 'IMAGE'),
    })),
  };
}

const wholeMs = ({ spans }: Timeline): number =>
  spans.filter(({ who }) => who === 'node').reduce((sum, { beganMs, endedMs }) => sum + (endedMs ?? beganMs) - beganMs, 0);

const sumOf = ({ spans }: Timeline, counts: (span: Span) => boolean): number =>
  spans.filter(counts).reduce((sum, { beganMs, endedMs }) => sum + (endedMs ?? beganMs) - beganMs, 0);

const isWork = ({ what, step }: Span): boolean => !what.startsWith('wait') && step !== 'rest';

const parts: readonly (readonly [string, (span: Span) => boolean])[] = [
  ['Node: options, plan, encoding, sending, result', (span) => span.who === 'node' && isWork(span)],
  ['the shim: steps, clone, reports', (span) => span.who === 'shim' && isWork(span) && !span.what.startsWith('the program')],
  ["the container's process until its execve", (span) => span.who === 'process' && isWork(span)],
  ['execve, the program and its end', (span) => span.what.startsWith('the program')],
];

/** How long each part of a run takes, and a picture of the run that took the median: docs/timeline.svg. */
export const timeline: Case = {
  name: 'timeline',
  async measure(context) {
    const { rounds } = effort(context, { rounds: 1000, batch: 1 }, { rounds: 200, batch: 1 });
    const runs = (await timelines(context.rootfs, rounds)).sort((a, b) => wholeMs(a) - wholeMs(b));
    const middle = runs[Math.floor(runs.length / 2)];
    if (middle === undefined) throw new Error('there is no timeline');
    writeFileSync(
      picture,
      timelineSvg(
        withoutPlaces(middle, context.rootfs),
        `Linux ${release()}, Node ${process.version}: \`true\` in a folder's image, with memory and pidsLimit`,
      ),
    );
    const lines: Line[] = [{ what: 'a run, traced', unit: 'ms', measured: summarise(runs.map(wholeMs)) }];
    for (const [what, counts] of parts)
      lines.push({ what: `  ${what}`, unit: 'ms', measured: summarise(runs.map((run) => sumOf(run, counts))) });
    return lines;
  },
};
