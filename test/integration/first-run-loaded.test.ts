import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { noteLoading } from '../fixtures/loaded-by.js';
import { requires } from '../fixtures/requires.js';
import { called } from '../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
// another user's may look for subordinate ids, and for groups in another place
const { it } = requires({ containers: true, root: true });
const folder = temporaryFolder();
const PACKAGE = fileURLToPath(new URL('../../dist', import.meta.url));

it.each([
  ['is right', 10_000, { code: 0, stderr: '' }],
  ['is wrong', '10s', { code: 1, stderr: expect.stringContaining('timeout') }],
])('a first run whose options are usual loads what says what is wrong only where something %s', async (is, timeout, expected) => {
  const { nodeOptions, loaded } = noteLoading(folder);
  const script = join(folder, 'script.cjs');
  const options = { image: 'host', command: ['true'], memory: '64m', env: { A: 'b' }, cwd: '/', timeout };
  writeFileSync(script, `require(${JSON.stringify(PACKAGE)}).Container.run(${JSON.stringify(options)});`);
  expect(await called(process.execPath, [...nodeOptions, script])).toMatchObject(expected);
  expect(loaded()).toContain(join(PACKAGE, 'core.cjs'));
  expect(loaded().includes(join(PACKAGE, 'zod.cjs'))).toBe(is === 'is wrong');
});
