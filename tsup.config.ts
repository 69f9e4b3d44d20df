import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['lib/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  // methods between our own classes are not the caller's, and their types are of dependencies
  dts: { compilerOptions: { stripInternal: true } },
  sourcemap: true,
  clean: true,
  // Bundled, so that importing reads two files and not a hundred; zod is a third of them when it is not cut to what is used.
  noExternal: ['zod', 'ipaddr.js', 'fastest-levenshtein'],
  treeshake: true,
  // By which the addon is found. tsup's own shim asks `document`, which test runners have in Node, too.
  esbuildOptions(options, { format }) {
    if (format !== 'cjs') return;
    options.define = { ...options.define, 'import.meta.url': 'importMetaUrl' };
    options.banner = {
      js: "const importMetaUrl = typeof __filename === 'undefined' ? undefined : require('node:url').pathToFileURL(__filename).href;",
    };
  },
});
