// The programs that tests start in Node processes of their own, bundled: by the loader of TypeScript each start would take five times as long.
// vitest calls this before the integration tests, for the bundle of the library too.
import { rmSync } from 'node:fs';
import { filesBelow, root, run } from './shared.mjs';
import { bundleLibrary } from './test-library.mjs';

/** Bundles the programs into a folder of the project, and the library; true when that succeeded. */
export async function bundleForTests(folder) {
  await bundleLibrary();
  const programs = filesBelow('test/fixtures/programs', /\.ts$/);
  const form = ['--bundle', '--splitting', '--format=esm', '--platform=node', '--target=node20', '--packages=external'];
  return run('npx', ['--no-install', 'esbuild', ...programs, ...form, '--log-level=warning', `--outdir=${folder}`]);
}

/** Bundles for this run of tests, unless that was done before, and removes the programs after it. */
export default async function setUp() {
  if (process.env.NACELLE_TEST_PROGRAMS) return undefined;
  const folder = `build/test-programs-${process.pid}`;
  if (!(await bundleForTests(folder))) throw new Error('the programs that tests start could not be bundled');
  process.env.NACELLE_TEST_PROGRAMS = `${root}${folder}`;
  return () => rmSync(`${root}${folder}`, { recursive: true, force: true });
}
