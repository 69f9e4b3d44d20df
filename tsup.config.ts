import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['lib/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  dts: true,
  sourcemap: true,
  clean: true,
  // Bundled, so that importing reads two files and not a hundred; zod is a third of them when it is not cut to what is used.
  noExternal: ['zod', 'ipaddr.js', 'fastest-levenshtein'],
  treeshake: true,
  // import.meta.url in the CommonJS build, by which the addon is found.
  shims: true,
});
