// The programs that tests start in Node processes of their own, bundled: by the loader of TypeScript each start would take five times as long.
// The library is not in them, but taken from its own bundle. vitest calls this before the integration tests, for that bundle too.
import { rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { filesBelow, root } from './shared.mjs';
import { bundledModule, bundleLibrary, libraryModule } from './test-library.mjs';

/** Imports of the library lead to its bundle, as seen from the folder of the programs. */
const toBundle = (folder) => ({
  name: 'to the bundle',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, importer }) => {
      const module = importer ? libraryModule(path, importer) : null;
      return module ? { path: relative(folder, bundledModule(module)), external: true } : undefined;
    });
  },
});

/** Bundles the programs into a folder beside the bundle of the library, and that too. */
export async function bundleForTests(folder) {
  await bundleLibrary();
  await build({
    absWorkingDir: root,
    entryPoints: filesBelow('test/fixtures/programs', /\.ts$/),
    outdir: folder,
    plugins: [toBundle(resolve(root, folder))],
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', logLevel: 'warning' },
  });
}

/** Bundles for this run of tests, unless that was done before, and removes the programs after it. */
export default async function setUp() {
  if (process.env.NACELLE_TEST_PROGRAMS) return undefined;
  const folder = `build/test-programs-${process.pid}`;
  await bundleForTests(folder);
  process.env.NACELLE_TEST_PROGRAMS = `${root}${folder}`;
  return () => rmSync(`${root}${folder}`, { recursive: true, force: true });
}
