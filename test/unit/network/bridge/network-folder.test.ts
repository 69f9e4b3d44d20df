import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { useOwnRecords } from '../../../fixtures/own-records.js';

// An ordinary user's network namespace as processes find it: with a holder, and from the next look on without.
const PLACE = '../../../../lib/network/holder/networks-place.js';
const seen = { namespaces: [] as number[] };
let networkFolder: typeof import('../../../../lib/network/bridge/network-folder.js').networkFolder;
let removeFilesOf: typeof import('../../../../lib/network/bridge/network-folder.js').removeFilesOf;
let withNetwork: typeof import('../../../../lib/network/bridge/network-folder.js').withNetwork;
let runtimeDir: typeof import('../../../../lib/native/runtime-dir.js').runtimeDir;

useOwnRecords();

// test files share modules: others get theirs without the namespaces of this one
beforeAll(async () => {
  vi.doMock(PLACE, () => ({ networksNamespace: () => seen.namespaces.shift() ?? 0 }));
  vi.resetModules();
  ({ networkFolder, removeFilesOf, withNetwork } = await import('../../../../lib/network/bridge/network-folder.js'));
  ({ runtimeDir } = await import('../../../../lib/native/runtime-dir.js'));
});
afterAll(() => {
  vi.doUnmock(PLACE);
  vi.resetModules();
});

it("a network's lock is had, and its folder removed, where the namespace of its bridges goes meanwhile", async () => {
  seen.namespaces = [7];
  const folder = await withNetwork('shop', async (locked) => {
    expect(['lock', 'uses', 'offers'].filter((part) => !existsSync(join(locked, part)))).toEqual([]);
    removeFilesOf(locked);
    return locked;
  });
  expect(folder).toMatch(/\/networks\/7\/shop@[\da-f]{8}$/);
  expect(existsSync(join(runtimeDir(), 'networks'))).toBe(false);
});

it('a folder that was found once is not told for another namespace', () => {
  seen.namespaces = [8];
  const first = networkFolder('shop');
  seen.namespaces = [8];
  expect([first, networkFolder('shop')].map((path) => path.replace(/@.*/, ''))).toEqual(
    Array(2).fill(join(runtimeDir(), 'networks', '8', 'shop')),
  );
});
