// Builds every addon/shim/**/fuzz/NAME.cc with libFuzzer and the sanitizers, and runs each for some seconds, one on each processor.
// `node scripts/fuzz.mjs [--grow] [SECONDS] [NAME…]`. What every run begins with is in test/fixtures/fuzz/NAME: seeds, inputs that once
// failed, and those that earlier runs found to reach something new; `--grow` adds this run's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { filesBelow, output, root, run, skip } from './shared.mjs';

const folder = 'build-fuzz';
const flags = ['-std=c++17', '-g', '-O1', '-fno-exceptions', '-fno-rtti', '-fno-omit-frame-pointer', '-D_GNU_SOURCE', '-Iaddon'];
const sanitize = '-fsanitize=fuzzer-no-link,address,undefined';
const targets = filesBelow('addon/shim', /\/fuzz\/.*\.cc$/);
/** What a target calls: the sources beside the headers that its own includes lead to. */
function parts(target) {
  const found = new Set();
  const add = (file) => {
    if (found.has(file) || !existsSync(`${root}${file}`)) return;
    found.add(file);
    add(file.replace(/\.h$/, '.cc'));
    for (const [, included] of readFileSync(`${root}${file}`, 'utf8').matchAll(/^#include "(.+)"$/gm)) add(join(dirname(file), included));
  };
  add(target);
  return [...found].filter((file) => file.endsWith('.cc'));
}
const object = (file) => `${folder}/${file.replaceAll('/', '_')}.o`;

function compile(files) {
  const jobs = files.flatMap((file) => [file, object(file)]);
  const script = `printf '%s\\n' "$@" | xargs -P ${availableParallelism()} -n 2 sh -c 'exec clang++ ${[...flags, sanitize, '-fno-sanitize-recover=undefined'].join(' ')} -c "$0" -o "$1"'`;
  return run('sh', ['-c', script, 'sh', ...jobs]);
}

/** As `run`, while others run too. */
async function runBeside(command, args) {
  const [status] = await once(spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }), 'close');
  return status === 0;
}

/** The fewest of the corpus that reach what nothing in the seeds does become seeds. */
function grow(program, seeds, corpus) {
  mkdirSync(`${root}${seeds}`, { recursive: true });
  return runBeside(program, ['-set_cover_merge=1', '-verbosity=0', seeds, corpus]);
}

async function fuzz(target, seconds, grows) {
  const name = basename(target, '.cc');
  const corpus = `${folder}/corpus/${name}`;
  const seeds = `test/fixtures/fuzz/${name}`;
  mkdirSync(`${root}${corpus}`, { recursive: true });
  const linked = await runBeside('clang++', [
    '-fsanitize=fuzzer,address,undefined',
    ...parts(target).map(object),
    '-o',
    `${folder}/${name}`,
  ]);
  if (!linked) return false;
  const folders = [corpus, ...(existsSync(`${root}${seeds}`) ? [seeds] : [])];
  console.log(`fuzz: ${target} for ${seconds} s`);
  const found = await runBeside(`${folder}/${name}`, [
    `-max_total_time=${seconds}`,
    '-timeout=10',
    '-print_final_stats=1',
    '-verbosity=0',
    `-artifact_prefix=${folder}/${name}-`,
    ...folders,
  ]);
  return found && (!grows || (await grow(`${folder}/${name}`, seeds, corpus)));
}

async function main() {
  const { values, positionals } = parseArgs({ options: { grow: { type: 'boolean', default: false } }, allowPositionals: true });
  const [seconds = '60', ...names] = positionals;
  if (!/^[1-9]\d*$/.test(seconds)) throw new Error(`seconds: a whole number is wanted, not ${seconds}`);
  if (output('clang++', ['--version']) === null) return skip('fuzz', 'clang++ is not installed');
  const wanted = targets.filter((file) => names.length === 0 || names.includes(basename(file, '.cc')));
  if (wanted.length === 0) throw new Error('no fuzz target has that name');
  mkdirSync(`${root}${folder}`, { recursive: true });
  if (!compile([...new Set(wanted.flatMap(parts))])) return false;
  const left = [...wanted];
  const failed = [];
  const one = async () => {
    for (let target = left.shift(); target !== undefined; target = left.shift()) {
      if (!(await fuzz(target, seconds, values.grow))) failed.push(target);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, one));
  console.log(
    `fuzz: ${wanted.length - failed.length} of ${wanted.length} targets found nothing${failed.length > 0 ? `; look at ${folder}/*-crash-*` : ''}`,
  );
  return failed.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
