// Builds the same Dockerfiles here and with BuildKit, and compares files, configuration and history. BuildKit is that of a dockerd in a root folder of
// its own, in namespaces without a network. As root (CONTRIBUTING.md says how the folder is made):
//   NACELLE_ENGINES_ROOT=/var/cache/engines npm run engines [-- WORDS-OF-A-NAME | checks]
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, type BuildOptions, build, Image } from '../../../lib/index.js';
import { LINT_ROWS } from '../../unit/build/lint-rows.js';
import { BUILD_CASES, type BuildCase } from './cases.js';
import { Daemon } from './daemon.js';
import { differences, type Flattened, flattened } from './flattened.js';
import { MOUNT_CASES } from './mount-cases.js';
import { TRANSFER_CASES } from './transfer-cases.js';

const wanted = process.argv.slice(2);
/** The warnings alone. */
const isChecks = wanted.includes('checks');

let contexts = 0;

const store = mkdtempSync(join(tmpdir(), 'nacelle-engines-'));
process.env.NACELLE_ROOT = store;

const daemon = await Daemon.start();
const { work } = daemon;
try {
  await bases();
  let wrong = 0;
  const cases = [...BUILD_CASES, ...TRANSFER_CASES, ...MOUNT_CASES];
  for (const one of isChecks ? [] : cases.filter(({ name }) => wanted.every((word) => name.includes(word)))) {
    const told = await compared(one);
    const isRight = (told.length === 0) === (one.differs === undefined);
    if (!isRight) wrong++;
    console.log(
      `${told.length === 0 ? 'held   ' : one.differs ? 'chosen ' : 'DIFFERS'} ${one.name}${one.differs ? `: ${one.differs}` : ''}`,
    );
    if (!isRight) for (const line of told) console.log(`          ${line}`);
  }
  if (isChecks || wanted.length === 0) wrong += await warnings();
  console.log(`${wrong} unexpected differences`);
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await daemon[Symbol.asyncDispose]();
  rmSync(store, { recursive: true, force: true });
}

/** The same base for both: busybox, with a user and a group. */
async function bases(): Promise<void> {
  daemon.docker(['import', '-', 'test/base:1'], daemon.busybox());
  const folder = join(work, 'base');
  const more: [string, string][] = [
    ['test/shell:1', 'SHELL ["/bin/sh","-c"]\nENV IMGVAR=1'],
    ['test/trig:1', 'ONBUILD ARG TARG=1\nONBUILD ENV TENV=1 UU=$UNDEF\nONBUILD CMD a\nONBUILD WORKDIR rel'],
  ];
  for (const [name, text] of more) {
    writeFileSync(join(folder, 'Dockerfile'), `FROM test/base:1\n${text}\n`);
    daemon.docker(['build', '-q', '-t', name, '/work/base']);
  }
  for (const [index, name] of ['test/base:1', ...more.map(([one]) => one)].entries()) {
    daemon.docker(['save', '-o', `/work/base-${index}.tar`, name]);
    const [image] = await Image.load(join(work, `base-${index}.tar`));
    await image?.tag(name);
  }
}

function contextOf({ context = '', file }: BuildCase): string {
  const folder = join(work, 'context');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  execFileSync('sh', ['-ec', context], { cwd: folder });
  writeFileSync(join(folder, 'Dockerfile'), file);
  // one time for all, which both have to keep, and another in each case, since BuildKit takes what has the same for the same
  execFileSync('find', [folder, '-exec', 'touch', '-hd', `@${1_000_000_000 + contexts++}`, '{}', '+']);
  return folder;
}

async function compared(one: BuildCase): Promise<string[]> {
  const folder = contextOf(one);
  const [theirs, ours] = [await outcome(() => byBuildKit(one)), await outcome(() => byNacelle(one, folder))];
  if (typeof theirs === 'string' || typeof ours === 'string')
    return typeof theirs === typeof ours ? [] : [`BuildKit: ${lastOf(theirs)}`, `nacelle: ${lastOf(ours)}`];
  return differences('BuildKit', theirs, 'nacelle', ours);
}

function lastOf(result: string | Flattened): string {
  return typeof result === 'string' ? result.slice(-500).trim() : 'is built';
}

async function outcome(work: () => Flattened | Promise<Flattened>): Promise<Flattened | string> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function byBuildKit({ args = {}, target }: BuildCase): Flattened {
  const flags = Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`);
  daemon.build([...flags, ...(target === undefined ? [] : ['--target', target])], 'theirs.tar');
  return flattened(join(work, 'theirs.tar'));
}

async function byNacelle({ args = {}, target }: BuildCase, context: string): Promise<Flattened> {
  const { image } = await build({ context, buildArgs: args, target, pull: 'never', cache: false });
  const archive = join(store, 'ours.tar');
  await image.save(archive);
  return flattened(archive);
}

/** The rows of the unit test, with BuildKit's own checks. */
async function warnings(): Promise<number> {
  let wrong = 0;
  for (const row of LINT_ROWS) {
    const context = contextOf({ name: '', file: row.text, context: 'mkdir dir; touch x.log a dir/y.txt dir/keep' });
    if (row.ignore !== undefined) writeFileSync(join(context, '.dockerignore'), row.ignore);
    const { args = {}, target } = row;
    const flags = [...Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`), ...(target ? ['--target', target] : [])];
    const theirs = checkedBy(['buildx', 'build', '--call=check,format=json', ...flags, '/work/context']);
    const ours = await checkedByNacelle({ context, buildArgs: args, target, pull: 'never' });
    const isSame = JSON.stringify(theirs.toSorted()) === JSON.stringify(ours.toSorted());
    if (isSame === (row.differs === undefined)) continue;
    wrong++;
    console.log(`DIFFERS check of ${JSON.stringify(row.text)}`, { theirs, ours });
  }
  console.log(
    `${LINT_ROWS.length} Dockerfiles checked, ${LINT_ROWS.filter(({ differs }) => differs).length} answered otherwise on purpose`,
  );
  return wrong;
}

async function checkedByNacelle(options: BuildOptions): Promise<string[]> {
  try {
    const { warnings: found } = await build({ ...options, check: true });
    return found.filter(({ rule }) => rule !== null).map(({ rule, message, line }) => `${line} ${rule}: ${message}`);
  } catch (error) {
    if (error instanceof BuildError) return [error.message];
    throw error;
  }
}

interface Checked {
  readonly warnings?: null | readonly { ruleName: string; detail: string; location: { ranges: readonly [{ start: { line: number } }] } }[];
}

function checkedBy(args: readonly string[]): string[] {
  let text = '';
  try {
    text = daemon.docker(args);
  } catch (error) {
    // it fails where it has warned
    text = String((error as { stdout?: unknown }).stdout);
  }
  const { warnings: found }: Checked = JSON.parse(text);
  return (found ?? []).map(({ ruleName, detail, location }) => `${location.ranges[0].start.line} ${ruleName}: ${detail}`);
}
