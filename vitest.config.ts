import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { bundledLibrary } from './scripts/test-library.mjs';
import { patience } from './test/fixtures/patience.js';

// Against hanging for ever, nothing else: under load, with cold caches or a sanitizer, a test takes many times as long.
const guardMs = 300_000 * patience;

const onTheMachine = {
  // More than processors (vitest takes a percentage of these at most), as half of a test's time is waiting. The leak check tells this worker's
  // leftovers from what others have, by the owner's name.
  maxWorkers: Math.ceil(1.5 * availableParallelism()),
  globalSetup: ['scripts/test-programs.mjs'],
  testTimeout: guardMs,
  hookTimeout: guardMs,
  sequence: { groupOrder: 1 },
};

/** With the library as one file. Not for tests that replace a module of the library, or compare two libraries. */
const onTheBundle = { extends: true as const, plugins: [bundledLibrary()] };

export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/fixtures/setup.ts'],
    // In CI one run follows the other, each of which would transform the same files again. They are found by their contents.
    experimental: { fsModuleCache: process.env.CI === 'true' },
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
      { ...onTheBundle, test: { ...onTheMachine, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      // Attacks, each with its protection and without: npm run test:security.
      { extends: true, test: { ...onTheMachine, name: 'security', include: ['test/security/**/*.test.ts'] } },
      // What fails, whoever is killed, and many at once: npm run test:faults, all of it by npm run soak. Some have a runtime folder that
      // others can't see, whose groups a worker beside would take for something left.
      { ...onTheBundle, test: { ...onTheMachine, maxWorkers: 1, name: 'faults', include: ['test/faults/*.test.ts'] } },
      // Those that can run beside each other, after the others: where one waits most of its time, several take little longer.
      { ...onTheBundle, test: { ...onTheMachine, name: 'kills', include: ['test/faults/*/*.test.ts'], sequence: { groupOrder: 2 } } },
      // This library and one of another version: npm run test:upgrade.
      { extends: true, test: { ...onTheMachine, name: 'upgrade', include: ['test/upgrade/**/*.test.ts'] } },
      // What makes sense where every controller is on the unified tree: npm run test:vm.
      { ...onTheBundle, test: { ...onTheMachine, name: 'v2', include: ['test/v2/**/*.test.ts'] } },
      // What needs the systemd of an ordinary user, which has this in a session: npm run test:vm.
      { ...onTheBundle, test: { ...onTheMachine, name: 'systemd', include: ['test/systemd/**/*.test.ts'] } },
    ],
  },
});
