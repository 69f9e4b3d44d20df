import { defineConfig } from 'vitest/config';
import { patience } from './test/fixtures/patience.js';

// Against hanging for ever, nothing else: under load, with cold caches or a sanitizer, a test takes many times as long.
const guardMs = 300_000 * patience;

const onTheMachine = {
  // Two files side by side, each with its shim, groups, namespaces, folders and store: the leak check counts what is its own owner's. Under the
  // sanitizers and in an emulated machine there is no processor to spare.
  maxWorkers: process.env.NACELLE_SANITIZE === '1' || process.env.NACELLE_TEST_IN_VM === '1' ? 1 : 2,
  testTimeout: guardMs,
  hookTimeout: guardMs,
  sequence: { groupOrder: 1 },
};

export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/fixtures/setup.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: guardMs,
          sequence: { groupOrder: 0 },
          // What is pure leaves nothing behind: a process for each file, which imports everything anew, takes longer than its tests.
          isolate: false,
          maxWorkers: '100%',
        },
      },
      { extends: true, test: { ...onTheMachine, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      // What makes sense where every controller is on the unified tree: npm run test:vm.
      { extends: true, test: { ...onTheMachine, name: 'v2', include: ['test/v2/**/*.test.ts'] } },
    ],
  },
});
