// Runs integration tests as an ordinary user with subordinate ids. What needs root is left out: npm test runs that. Arguments go to vitest.
import { chmodSync } from 'node:fs';
import { geteuid } from 'node:process';
import { tsImport } from 'tsx/esm/api';
import { skip } from './shared.mjs';
import { vitestAsUser } from './vitest-as-user.mjs';

/** @type {typeof import('../test/fixtures/ordinary-user.js')} */
const { givingIds, USER } = await tsImport('../test/fixtures/ordinary-user.ts', import.meta.url);

/** Those whose tests `requires` containers, whosever these are. */
const FILES = ['basics', 'copy.test', 'exec-refused', 'exec-streams', 'execution', 'filesystem', 'links.test', 'lifecycle']
  .concat(['network', 'results', 'run-events', 'streams'])
  .map((name) => `test/integration/container/${name}`);

function main() {
  if (geteuid() !== 0) return skip('test:user', 'needs root, to become another user');
  const args = process.argv.slice(2);
  const files = args.some((arg) => arg.startsWith('test/')) ? [] : FILES;
  return vitestAsUser('integration', [...args, ...files], (folder) => {
    chmodSync(folder, 0o755);
    return givingIds(folder, `${USER}:200000:65536`);
  });
}

process.exitCode = main() ? 0 : 1;
