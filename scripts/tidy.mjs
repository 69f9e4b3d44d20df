// clang-tidy over the units of C++. Most of a unit's time goes to the headers that it includes: so the units of a folder are read as one
// wherever they can be, which takes a third of the time. Two that use a name for different things can't be read as one.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { linkSources, output, root, run } from './shared.mjs';

const folder = `${root}build-tidy`;
/** The analyzer follows what an included unit defines too; and there is nothing suspicious in including units here. */
const AS_ONE = [
  '--config-file=.clang-tidy',
  '--checks=-bugprone-suspicious-include',
  '--extra-arg=-Xclang',
  '--extra-arg=-analyzer-opt-analyze-headers',
];
/** More would leave a processor without work at the end. */
const MOST = 16;

/**
 * How each unit is compiled, by its path, from the same binding.gyp that builds them; `null` when that could not be told. In a folder of its own,
 * since others may build in ./build meanwhile. Editors find the answer in the project's folder.
 */
function compileCommands() {
  const form = ['--loglevel=error', '--', '-f', 'compile_commands_json'];
  if (!run('npx', ['--no-install', 'node-gyp', 'configure', '-C', linkSources(folder), ...form])) return null;
  const text = readFileSync(`${folder}/build/Release/compile_commands.json`, 'utf8').replaceAll(`${folder}/addon`, `${root}addon`);
  writeFileSync(`${root}compile_commands.json`, text);
  return new Map(JSON.parse(text).map(({ file, command }) => [file, command]));
}

/** Writes the unit that includes the given ones, and tells how to compile it. */
function joined(units, commands) {
  const file = `${folder}/${units[0].replaceAll('/', '_')}`;
  writeFileSync(file, units.map((unit) => `#include "${root}${unit}"\n`).join(''));
  const first = `${root}${units[0]}`;
  return { file, directory: root, command: commands.get(first).replace(first, file) };
}

/** The units in as few groups as compile. */
function grouped(units, commands) {
  const half = Math.ceil(units.length / 2);
  const compiles = () => {
    const command = joined(units, commands).command.replace(/^\S+/, 'clang++').replace(' -c ', ' -fsyntax-only ');
    return output('sh', ['-c', `cd ${root} && ${command} 2>&1`]) !== null;
  };
  if (units.length === 1 || (units.length <= MOST && compiles())) return [units];
  return [units.slice(0, half), units.slice(half)].flatMap((part) => grouped(part, commands));
}

/** Whether clang-tidy has nothing to say of these files. */
export function tidy(units) {
  rmSync(folder, { recursive: true, force: true });
  const commands = compileCommands();
  if (commands === null) return false;
  const folders = [...new Set(units.map(dirname))].map((name) => units.filter((unit) => dirname(unit) === name));
  const groups = folders.flatMap((files) => grouped(files, commands)).sort((a, b) => b.length - a.length);
  const files = groups.map((group) => joined(group, commands));
  writeFileSync(`${folder}/compile_commands.json`, JSON.stringify(files));
  const each = `exec clang-tidy --quiet -p ${folder} ${AS_ONE.join(' ')} "$0"`;
  const script = `printf '%s\\n' "$@" | xargs -P ${availableParallelism()} -n 1 sh -c '${each}'`;
  return run('sh', ['-c', script, 'sh', ...files.map(({ file }) => file)]);
}
