// What the scripts have in common: running commands, finding files, and the rule about what may be skipped.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command in the project's folder with its output shown; true when it succeeded. `timeout` in ms: it is ended then. */
export function run(command, args, { env = {}, cwd = root, timeout } = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd,
    timeout,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (error) console.error(`${command}: ${error.message}`);
  else if (signal) console.error(`${command}: ended by ${signal}`);
  return status === 0;
}

/** Has the sources of the native part in a folder of its own, as node-gyp always builds into ./build. @returns the folder */
export function linkSources(folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of ['binding.gyp', 'addon', 'tsconfig.json', 'package.json']) {
    if (!existsSync(`${folder}/${name}`)) symlinkSync(relative(folder, `${root}${name}`), `${folder}/${name}`);
  }
  return folder;
}

/** What a command prints, or `null` when it can't be run or fails. */
export function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

/** What a command prints, in English. Throws what it says when it fails. */
export function command(name, args, cwd = root) {
  const env = { ...process.env, LC_ALL: 'C' };
  const { status, stdout, stderr, error } = spawnSync(name, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28, env });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}

/** Files below a folder of the project, sorted, as paths from the project's folder. */
export function filesBelow(folder, pattern) {
  const names = readdirSync(new URL(`../${folder}`, import.meta.url), { recursive: true });
  return names
    .map((name) => `${folder}/${name}`)
    .filter((name) => pattern.test(name))
    .sort();
}

/** On a desk a missing tool skips the work with the reason; with NACELLE_MUST_RUN=1 that is a failure. */
export function skip(what, reason) {
  const must = process.env.NACELLE_MUST_RUN === '1';
  console.error(must ? `FAIL ${what}: ${reason} (skipped without NACELLE_MUST_RUN=1)` : `skip ${what}: ${reason}`);
  return !must;
}
