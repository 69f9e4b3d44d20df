// Builds the same Dockerfiles here and with BuildKit, and compares files, configuration and history. BuildKit is that of a dockerd in a root folder of
// its own (Debian's docker.io and docker-buildx), in namespaces without a network. As root:
//   mmdebstrap --include=docker.io,docker-cli,docker-buildx,busybox-static sid /var/cache/buildkit
//   NACELLE_BUILDKIT_ROOT=/var/cache/buildkit npm run engines [-- WORDS-OF-A-NAME | checks]
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, Image } from '../../../lib/index.js';
import { until } from '../../fixtures/until.js';
import { LINT_ROWS } from '../../unit/build/lint-rows.js';
import { BUILD_CASES, type BuildCase } from './cases.js';
import { type Flattened, flattened } from './flattened.js';
import { MOUNT_CASES } from './mount-cases.js';
import { TRANSFER_CASES } from './transfer-cases.js';

const root = process.env.NACELLE_BUILDKIT_ROOT ?? '';
if (!existsSync(join(root, 'usr/sbin/dockerd')))
  throw new Error('NACELLE_BUILDKIT_ROOT names no root folder with a dockerd: see the top of this file');
const wanted = process.argv.slice(2);
/** The warnings alone. */
const isChecks = wanted.includes('checks');

let contexts = 0;

/** The daemon sees it under /work. */
const work = join(root, 'work');
const store = mkdtempSync(join(tmpdir(), 'nacelle-engines-'));
process.env.NACELLE_ROOT = store;

function docker(args: readonly string[], input?: Buffer): string {
  const variables = ['HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DOCKER_HOST=unix:///run/docker.sock'];
  return execFileSync('chroot', [root, 'env', '-i', ...variables, 'docker', ...args], {
    encoding: 'utf8',
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...(input ? { input } : {}),
  });
}

const daemon = spawn(join(import.meta.dirname, 'dockerd'), [root], { stdio: ['pipe', 'inherit', 'inherit'] });
try {
  await answering();
  rmSync(work, { recursive: true, force: true });
  await bases();
  let differences = 0;
  const cases = [...BUILD_CASES, ...TRANSFER_CASES, ...MOUNT_CASES];
  for (const one of isChecks ? [] : cases.filter(({ name }) => wanted.every((word) => name.includes(word)))) {
    const told = await compared(one);
    const isRight = (told.length === 0) === (one.differs === undefined);
    if (!isRight) differences++;
    console.log(
      `${told.length === 0 ? 'held   ' : one.differs ? 'chosen ' : 'DIFFERS'} ${one.name}${one.differs ? `: ${one.differs}` : ''}`,
    );
    if (!isRight) for (const line of told) console.log(`          ${line}`);
  }
  if (isChecks || wanted.length === 0) differences += await warnings();
  console.log(`${differences} unexpected differences`);
  process.exitCode = differences === 0 ? 0 : 1;
} finally {
  daemon.stdin.end();
  if (daemon.exitCode === null) await once(daemon, 'exit');
  for (const path of [work, store]) rmSync(path, { recursive: true, force: true });
}

/** Until the daemon answers, or has ended. */
async function answering(): Promise<void> {
  await until('dockerd answers', () => {
    if (daemon.exitCode !== null) throw new Error(`dockerd has ended: ${join(root, 'var/log/dockerd')}`);
    try {
      docker(['version']);
      return true;
    } catch {
      // nobody listens yet
      return false;
    }
  });
}

/** The same base for both: busybox, with a user and a group. */
async function bases(): Promise<void> {
  const folder = join(work, 'base');
  const script = [
    'mkdir -p bin etc tmp usr/bin var root dev proc sys; chmod 1777 tmp; ln -s usr/bin link',
    `cp ${join(root, 'bin/busybox')} bin/; for one in $(bin/busybox --list); do [ $one = busybox ] || ln -sf busybox bin/$one; done`,
    String.raw`printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > etc/passwd`,
    String.raw`printf 'root:x:0:\napp:x:1001:\nweb:x:33:app\nnobody:x:65534:\n' > etc/group`,
  ];
  mkdirSync(folder, { recursive: true });
  execFileSync('sh', ['-ec', script.join('\n')], { cwd: folder });
  const tar = execFileSync('tar', ['-C', folder, '--sort=name', '--mtime=@1000000000', '--owner=0', '--group=0', '-c', '.'], {
    maxBuffer: 1 << 28,
  });
  docker(['import', '-', 'test/base:1'], tar);
  const more: [string, string][] = [
    ['test/shell:1', 'SHELL ["/bin/sh","-c"]\nENV IMGVAR=1'],
    ['test/trig:1', 'ONBUILD ARG TARG=1\nONBUILD ENV TENV=1 UU=$UNDEF\nONBUILD CMD a\nONBUILD WORKDIR rel'],
  ];
  for (const [name, text] of more) {
    writeFileSync(join(folder, 'Dockerfile'), `FROM test/base:1\n${text}\n`);
    docker(['build', '-q', '-t', name, '/work/base']);
  }
  for (const [index, name] of ['test/base:1', ...more.map(([one]) => one)].entries()) {
    docker(['save', '-o', `/work/base-${index}.tar`, name]);
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
  const differences = (name: keyof Flattened): string[] => [
    ...theirs[name].filter((line) => !ours[name].includes(line)).map((line) => `BuildKit: ${line}`),
    ...ours[name].filter((line) => !theirs[name].includes(line)).map((line) => `nacelle:  ${line}`),
  ];
  return [...differences('files'), ...differences('config')];
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
  const output = ['--no-cache', '--network=none', '--provenance=false', '--output', 'type=oci,dest=/work/theirs.tar'];
  docker(['build', ...output, ...flags, ...(target === undefined ? [] : ['--target', target]), '/work/context']);
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
    const { warnings: found } = await build({ context, buildArgs: args, target, pull: 'never', check: true });
    const ours = found.filter(({ rule }) => rule !== null).map(({ rule, message, line }) => `${line} ${rule}: ${message}`);
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

interface Checked {
  readonly warnings?: null | readonly { ruleName: string; detail: string; location: { ranges: readonly [{ start: { line: number } }] } }[];
}

function checkedBy(args: readonly string[]): string[] {
  let text = '';
  try {
    text = docker(args);
  } catch (error) {
    // it fails where it has warned
    text = String((error as { stdout?: unknown }).stdout);
  }
  const { warnings: found }: Checked = JSON.parse(text);
  return (found ?? []).map(({ ruleName, detail, location }) => `${location.ranges[0].start.line} ${ruleName}: ${detail}`);
}
