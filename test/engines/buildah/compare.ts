// Builds the cases of buildah's conformance tests, which a checkout of github.com/containers/buildah has, here, with BuildKit and with buildah, and
// compares files and configuration. Both are in a root folder of their own, in namespaces without a network. As root (CONTRIBUTING.md says how the
// folder is made):
//   NACELLE_ENGINES_ROOT=/var/cache/engines NACELLE_BUILDAH_SOURCE=../buildah npm run engines:buildah [-- WORDS-OF-A-NAME]
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, Image } from '../../../lib/index.js';
import { Daemon } from '../buildkit/daemon.js';
import { differences, type Flattened, flattened } from '../buildkit/flattened.js';
import { Buildah } from './buildah.js';
import { CHOSEN } from './chosen.js';

import { type ConformanceCase, conformanceCases, dockerfileOf } from './conformance.js';

/** The cases name these; all of them are busybox here. */
const BASES = ['mirror.gcr.io/busybox', 'mirror.gcr.io/alpine', 'quay.io/libpod/centos:7'];

const checkout = process.env.NACELLE_BUILDAH_SOURCE ?? '';
const data = join(checkout, 'tests/conformance/testdata');
const wanted = process.argv.slice(2);
const all = conformanceCases(checkout, BASES);
const cases = all.filter(({ skipped, name }) => skipped === null && wanted.every((word) => name.includes(word)));
const store = mkdtempSync(join(tmpdir(), 'nacelle-engines-'));
process.env.NACELLE_ROOT = store;
let contexts = 0;

const daemon = await Daemon.start();
try {
  const buildah = await bases();
  const counts = new Map<string, number>();
  let wrong = 0;
  for (const one of cases) {
    const { outcome, told } = await compared(one, buildah);
    const chosen = CHOSEN[one.name];
    const isRight = (told.length === 0) === (chosen === undefined);
    if (!isRight) wrong++;
    const verdict = `${told.length === 0 ? 'held' : chosen ? 'chosen' : 'DIFFERS'}, ${outcome}`;
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    console.log(`${one.name}: ${verdict}${chosen ? `: ${chosen}` : ''}`);
    if (!isRight) for (const line of told) console.log(`          ${line}`);
  }
  for (const [verdict, count] of counts) console.log(`${count} ${verdict}`);
  console.log(`${all.length - cases.length} of ${all.length} not run, ${wrong} unexpected differences`);
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await daemon[Symbol.asyncDispose]();
  rmSync(store, { recursive: true, force: true });
}

async function bases(): Promise<Buildah> {
  const [first = ''] = BASES;
  daemon.docker(['import', '-', first], daemon.busybox());
  for (const name of BASES.slice(1)) daemon.docker(['tag', first, name]);
  daemon.docker(['save', '-o', '/work/base.tar', first]);
  const [image] = await Image.load(join(daemon.work, 'base.tar'));
  for (const name of BASES) await image?.tag(name);
  return new Buildah('base.tar', BASES);
}

function contextOf(one: ConformanceCase): string {
  const folder = join(daemon.work, 'context');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o755 });
  if (one.context !== null) {
    const from = join(data, one.context);
    const isFolder = statSync(from).isDirectory();
    cpSync(from, isFolder ? folder : join(folder, one.context), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
  // a frontend by its name would have to be pulled
  const text = dockerfileOf(one, data).replace(/^# *syntax=.*\n/i, '');
  writeFileSync(join(folder, one.dockerfile ?? 'Dockerfile'), text);
  // BuildKit takes what has the size and the time of an earlier case's for the same
  execFileSync('find', [folder, '-exec', 'touch', '-hd', `@${1_000_000_000 + contexts++}`, '{}', '+']);
  return folder;
}

/** What BuildKit and buildah think of it, and where this project's image is another than BuildKit's. */
async function compared(one: ConformanceCase, buildah: Buildah): Promise<{ outcome: string; told: readonly string[] }> {
  const context = contextOf(one);
  const flags = [
    ...(one.dockerfile === null ? [] : ['-f', `/work/context/${one.dockerfile}`]),
    ...Object.entries(one.args).map(([name, value]) => `--build-arg=${name}=${value}`),
  ];
  const byBuildKit = await outcome(() => {
    daemon.build(flags, 'theirs.tar');
    return flattened(join(daemon.work, 'theirs.tar'));
  });
  const byBuildah = await outcome(() => {
    buildah.build(flags, 'buildah.tar');
    return flattened(join(daemon.work, 'buildah.tar'));
  });
  rmSync(join(daemon.work, 'buildah.tar'), { force: true });
  const ours = await outcome(async () => {
    const dockerfile = one.dockerfile ?? undefined;
    const { image } = await build({ context, dockerfile, buildArgs: { ...one.args }, pull: 'never', cache: false });
    const archive = join(store, 'ours.tar');
    await image.save(archive);
    return flattened(archive);
  });
  // of those that are asked for by name
  if (wanted.length > 0) {
    for (const said of [byBuildKit, byBuildah, ours]) if (typeof said === 'string') console.log(lastOf(said));
    for (const line of between('BuildKit', alike(byBuildKit), 'buildah', alike(byBuildah))) console.log(line);
  }
  return { outcome: agreement(byBuildKit, byBuildah), told: between('BuildKit', byBuildKit, 'nacelle', ours) };
}

async function outcome(work: () => Flattened | Promise<Flattened>): Promise<Flattened | string> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function between(first: string, one: Flattened | string, second: string, other: Flattened | string): string[] {
  if (typeof one === 'object' && typeof other === 'object') return differences(first, one, second, other);
  return typeof one === typeof other ? [] : [`${first}: ${lastOf(one)}`, `${second}: ${lastOf(other)}`];
}

function lastOf(result: string | Flattened): string {
  return typeof result === 'string' ? result.slice(-500).trim() : 'is built';
}

function agreement(byBuildKit: Flattened | string, byBuildah: Flattened | string): string {
  if (typeof byBuildKit === 'string' && typeof byBuildah === 'string') return 'both refuse';
  if (typeof byBuildKit === 'string') return 'BuildKit refuses';
  if (typeof byBuildah === 'string') return 'buildah refuses';
  return between('BuildKit', alike(byBuildKit), 'buildah', alike(byBuildah)).length === 0 ? 'both agree' : 'buildah differs';
}

/** What the two write alike: no times, no history, and the layers in any number. */
function alike(result: Flattened | string): Flattened | string {
  if (typeof result === 'string') return result;
  const { files, config } = result;
  return {
    files: files.map((line) => line.replace(/ at \d+/, '')),
    config: config.filter((line) => !/^history | layers, author /.test(line)),
  };
}
