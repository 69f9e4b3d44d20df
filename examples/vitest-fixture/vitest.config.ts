import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The first test of a file waits for its Redis too.
    testTimeout: 60_000,
    // In a project of yours the package is in node_modules, and vitest leaves it as it is by itself.
    server: { deps: { external: [/\/dist\/index\.js$/] } },
  },
});
