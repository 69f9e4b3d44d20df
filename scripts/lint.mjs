// Every check of the sources, to the end even when one fails. Arguments choose some: `node scripts/lint.mjs biome types`.
import { checkRooms } from './rooms.mjs';
import { filesBelow, output, run, skip } from './shared.mjs';
import { tidy } from './tidy.mjs';

const sources = filesBelow('addon', /\.(cc|h)$/);
/** Not what only other builds compile, with definitions of theirs. */
const units = sources.filter((file) => file.endsWith('.cc') && !/\/(fuzz|sanitize|prebuild)\//.test(file));
const needs = (tool, check) => (output(tool, ['--version']) === null ? skip(tool, `${tool} is not installed`) : check());

function rooms() {
  const problems = checkRooms();
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}

const checks = {
  rooms,
  generate: () => run('node', ['scripts/generate.mjs', '--check']),
  biome: () => run('npx', ['--no-install', 'biome', 'check', '--error-on-warnings']),
  types: () => ['.', 'examples', 'bench'].every((project) => run('npx', ['--no-install', 'tsc', '--noEmit', '-p', project])),
  'clang-format': () => needs('clang-format', () => run('clang-format', ['--dry-run', '-Werror', ...sources])),
  'clang-tidy': () => needs('clang-tidy', () => tidy(units)),
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks);
const failed = chosen.filter((name) => {
  console.log(`lint: ${name}`);
  if (!checks[name]) throw new Error(`no check is called ${name}: ${Object.keys(checks).join(', ')}`);
  return !checks[name]();
});
if (failed.length > 0) console.error(`lint failed: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
