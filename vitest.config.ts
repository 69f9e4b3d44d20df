import { defineConfig } from 'vitest/config';
import { patience } from './test/fixtures/patience.js';

// Against hanging for ever, nothing else: under load, with cold caches or a sanitizer, a test takes many times as long.
const guardMs = 300_000 * patience;

const onTheMachine = {
  // The leak check tells this worker's leftovers from what others have, by the owner's name.
  maxWorkers: '100%',
  globalSetup: ['scripts/test-programs.mjs'],
  testTimeout: guardMs,
  hookTimeout: guardMs,
  sequence: { groupOrder: 1 },
};

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
      { extends: true, test: { ...onTheMachine, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
      // Attacks, each with its protection and without: npm run test:security.
      { extends: true, test: { ...onTheMachine, name: 'security', include: ['test/security/**/*.test.ts'] } },
      // What fails, whoever is killed, and many at once: npm run test:faults, all of it by npm run soak. Some have a runtime folder that
      // others can't see, whose groups a worker beside would take for something left.
      { extends: true, test: { ...onTheMachine, maxWorkers: 1, name: 'faults', include: ['test/faults/**/*.test.ts'] } },
      // This library and one of another version: npm run test:upgrade.
      { extends: true, test: { ...onTheMachine, name: 'upgrade', include: ['test/upgrade/**/*.test.ts'] } },
      // What makes sense where every controller is on the unified tree: npm run test:vm.
      { extends: true, test: { ...onTheMachine, name: 'v2', include: ['test/v2/**/*.test.ts'] } },
      // What needs the systemd of an ordinary user, which has this in a session: npm run test:vm.
      { extends: true, test: { ...onTheMachine, name: 'systemd', include: ['test/systemd/**/*.test.ts'] } },
    ],
  },
});
