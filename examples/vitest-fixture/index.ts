// Tests against a real Redis: each test file gets one of its own in a container, by the fixture in redis.ts. This runs them, as
// `vitest run` in this folder does. It needs the Debian package redis-server, whose service need not run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Container } from 'nacelle';
import { startVitest } from 'vitest/node';

if (spawnSync('redis-server', ['--version']).error) {
  console.log('skipped: redis-server is not installed');
  process.exit(process.env.NACELLE_MUST_RUN === '1' ? 1 : 0);
}

const vitest = await startVitest('test', [], { root: fileURLToPath(new URL('.', import.meta.url)), watch: false });
const modules = vitest.state.getTestModules();
assert.deepEqual(
  modules.map((module) => module.state()),
  ['passed', 'passed'],
);
await vitest.close();
assert.deepEqual(await Container.list(), []);
