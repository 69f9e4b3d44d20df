// Runs every example as a user would, through the package's own exports: files, and the index.ts of folders. Names as arguments choose some.
import { filesBelow, run } from './shared.mjs';

/** An example that hangs fails, and the others are still run. */
const HANG_GUARD_MS = 300_000;

const wanted = process.argv.slice(2);
const examples = filesBelow('examples', /^examples\/[^/]+(\/index)?\.ts$/).filter(
  (file) => wanted.length === 0 || wanted.some((name) => file === `examples/${name}.ts` || file === `examples/${name}/index.ts`),
);
const failed = examples.filter((file) => {
  console.log(`--- ${file}`);
  const ok = run('node', ['--import', 'tsx', file], { timeout: HANG_GUARD_MS });
  console.log(`${ok ? 'ok' : 'FAIL'} ${file}`);
  return !ok;
});
console.log(`examples: ${examples.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 || examples.length === 0 ? 1 : 0;
