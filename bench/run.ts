// npm run bench -- [--quick] [--only NAME]... [--json FILE] [NAME]...
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { parseArgs } from 'node:util';
import { busyboxRootfs } from '../test/fixtures/images.js';
import { measuredApart } from './apart.js';
import type { Case, Context } from './case.js';
import { buildCopy } from './cases/build.js';
import { crowd, groupLife, limits, stats } from './cases/cgroup.js';
import { comparisons } from './cases/compare.js';
import { connect } from './cases/connect.js';
import { attaching, detachedStart, listing, logging, shimMemory } from './cases/detached.js';
import { exec } from './cases/exec.js';
import { files } from './cases/files.js';
import { filterCalls, filterLoad } from './cases/filter.js';
import { heap } from './cases/heap.js';
import { pullAndRun, secondRun, unpack } from './cases/image.js';
import { imageMemory } from './cases/image-memory.js';
import { manyLayers, smallFiles } from './cases/image-shapes.js';
import { importing } from './cases/import.js';
import { ladder } from './cases/ladder.js';
import { live } from './cases/live.js';
import { names } from './cases/names.js';
import { network, networkCrowd } from './cases/network.js';
import { oci } from './cases/oci.js';
import { packets, throughput } from './cases/packets.js';
import { pool } from './cases/pool.js';
import { processor } from './cases/processor.js';
import { memory, rate } from './cases/rate.js';
import { relay } from './cases/relay.js';
import { rootless, rootlessNetwork } from './cases/rootless.js';
import { stdout } from './cases/stdout.js';
import { timeline } from './cases/timeline.js';
import { userns } from './cases/userns.js';
import { sampleLoad } from './load.js';
import { type Line, type Report, render, toJson } from './table.js';

const cases: readonly Case[] = [
  ...comparisons,
  ...exec,
  pool,
  processor,
  detachedStart,
  attaching,
  listing,
  shimMemory,
  logging,
  connect,
  relay,
  heap,
  rate,
  memory,
  live,
  stdout,
  files,
  names,
  rootless,
  rootlessNetwork,
  userns,
  network,
  networkCrowd,
  packets,
  throughput,
  importing,
  filterLoad,
  filterCalls,
  ladder,
  oci,
  timeline,
  groupLife,
  stats,
  limits,
  crowd,
  unpack,
  pullAndRun,
  secondRun,
  manyLayers,
  smallFiles,
  imageMemory,
  buildCopy,
];

function chosen(names: readonly string[]): readonly Case[] {
  const unknown = names.find((name) => !cases.some((item) => item.name === name));
  if (unknown) throw new Error(`no case is called ${unknown}: ${cases.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? cases : cases.filter(({ name }) => names.includes(name));
}

/** Several are measured one after the other, each in a process of its own. */
async function measureAll(items: readonly Case[], context: Context): Promise<readonly Line[]> {
  const [only] = items;
  if (only !== undefined && items.length === 1) {
    console.error(`measuring: ${only.name}`);
    return only.measure(context).catch((error: unknown) => [failed(only, error)]);
  }
  const lines: Line[] = [];
  for (const item of items) {
    const measured = measuredApart(item.name, context.quick ? ['--quick'] : []);
    lines.push(...(await measured.then((report) => report.lines).catch((error: unknown) => [failed(item, error)])));
  }
  return lines;
}

/** One case that fails takes none of the others' numbers with it. */
function failed({ name }: Case, error: unknown): Line {
  console.error(error);
  process.exitCode = 1;
  return { what: name, reason: error instanceof Error ? error.message : String(error) };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', multiple: true }, json: { type: 'string' } },
});
const items = chosen([...(values.only ?? []), ...positionals]);
const load = await sampleLoad();
// what is measured one after the other makes the load of the minute before
if (load.warning && items.length > 1) console.error(`WARNING: ${load.warning}. Don't trust these numbers.`);
const rootfs = await busyboxRootfs();
const lines = await measureAll(items, { rootfs, quick: values.quick });
const report: Report = { load, node: process.version, kernel: release(), lines };
console.log(
  `\nNode ${report.node}, Linux ${report.kernel}, ${load.processors} processors, ` +
    `${Math.round(load.busy * 100)} % busy with other things, load average ${load.average}${values.quick ? ', quick: rough numbers' : ''}\n`,
);
console.log(render(report));
if (load.warning) console.log(`\nWARNING: ${load.warning}.`);
if (values.json) writeFileSync(values.json, toJson(report));
