import { defineConfig } from 'tsup';

/** The types; the code is bundled by scripts/bundle.mjs. */
export default defineConfig({
  entry: ['lib/index.ts'],
  format: ['esm', 'cjs'],
  // methods between our own classes are not the caller's, and their types are of dependencies
  dts: { only: true, compilerOptions: { stripInternal: true } },
});
