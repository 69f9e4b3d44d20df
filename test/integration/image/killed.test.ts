import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import { Image, NacelleError } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { seededRandom } from '../../fixtures/random.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { startRegistry, type TestRegistry } from '../../fixtures/registry.js';
import { missing, requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { inventory } from '../../fixtures/tree.js';

useLeakCheck();
const needs = { root: true, tools: ['tar', 'docker-registry', 'getfattr'] };
const { it } = requires(needs);

const folder = temporaryFolder();
const root = join(folder, 'store');
beforeEach(() => {
  process.env.NACELLE_ROOT = root;
});
afterEach(() => {
  delete process.env.NACELLE_ROOT;
});

let registry: TestRegistry | undefined;
beforeAll(async () => {
  if (missing(needs).length === 0) registry = await startRegistry(folder);
});
afterAll(async () => registry?.close());

const files = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`f/${index}`, `${index}`.repeat(2000)]));
const below = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/** Every blob is what its name says, and every layer is one of those that were whole. */
function expectWhole(whole: Map<string, object>): void {
  for (const hex of below(join(root, 'blobs/sha256')))
    expect(digestOf(readFileSync(join(root, 'blobs/sha256', hex)))).toBe(`sha256:${hex}`);
  for (const chain of below(join(root, 'layers/sha256'))) {
    expect(inventory(join(root, 'layers/sha256', chain, 'fs'))).toEqual(whole.get(chain));
  }
}

async function openIfThere(name: string): Promise<void> {
  try {
    await recipeOf(await Image.open(name));
  } catch (error) {
    expect(error).toBeInstanceOf(NacelleError);
    expect(error).toHaveProperty('code', 'ERR_NO_IMAGE');
  }
}

const kills = Number(process.env.NACELLE_KILLS ?? 10);

it(`a process that is killed at ${kills} moments leaves a store that is whole`, { timeout: 1_800_000 }, async () => {
  const layout = layoutOf({ 'app:one': [files, { one: '1' }], 'app:two': [files, { two: '2' }] }, folder);
  const whole = new Map<string, object>();
  const pulled = `${registry?.host}/app:three`;
  for (const image of await Image.load(layout)) {
    await recipeOf(image);
    await image.push(pulled);
  }
  for (const chain of below(join(root, 'layers/sha256'))) whole.set(chain, inventory(join(root, 'layers/sha256', chain, 'fs')));
  const random = seededRandom(3);
  for (let round = 0; round < kills; round++) {
    const program = startNode('store-life', [layout, pulled]);
    await program.lines.next();
    // no waiting for anything: the moment of the kill is what is chosen
    await delay(random() * 300);
    program.process.kill('SIGKILL');
    const { stderr } = await program.ended;
    expect(stderr).toBe('');
    expectWhole(whole);
    for (const name of ['app:one', 'app:two', 'again:1', pulled]) await openIfThere(name);
  }
  for (const image of await Image.load(layout)) await recipeOf(image);
  await Image.prune();
  expectWhole(whole);
  expect(below(join(root, 'layers/sha256')).sort()).toEqual([...whole.keys()].sort());
  expect([...below(join(root, 'tmp')), ...below(join(root, 'ingest'))]).toEqual([]);
});
