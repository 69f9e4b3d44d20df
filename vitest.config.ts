import { defineConfig } from 'vitest/config';
import { patience } from './test/fixtures/patience.js';

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // The leak check compares the machine before and after a test: no other may run beside it.
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 60_000 * patience,
          hookTimeout: 60_000 * patience,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
