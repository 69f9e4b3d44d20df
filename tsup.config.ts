import { defineConfig } from 'tsup';

/** The types of the CommonJS files; the code is bundled by scripts/bundle.mjs. */
export default defineConfig({
  entry: ['lib/index.ts'],
  format: ['cjs'],
  // methods between our own classes are not the caller's, and their types are of dependencies
  dts: { only: true, compilerOptions: { stripInternal: true } },
});
