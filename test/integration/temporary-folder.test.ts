import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { tidyLeases } from '../../lib/store/lease.js';
import { temporaryFolder as keptFolder, withTemporary } from '../../lib/store/temporary-folder.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true });

describe('a folder of the store without a name', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  const make = async (path: string): Promise<void> => {
    await mkdir(join(path, 'deep'), { recursive: true });
    await writeFile(join(path, 'deep/file'), 'x');
  };
  const fail = async (path: string): Promise<never> => {
    await make(path);
    throw new RangeError('of the test');
  };

  /** What is left in the store once nothing holds a lease. */
  const left = async (): Promise<string[]> => {
    await tidyLeases();
    return ['tmp', 'leases'].flatMap((name) => readdirSync(join(store.root, name)));
  };

  it('goes when nobody has given it one, and stays where it was put', async () => {
    const target = join(folder, 'published');
    const seen = await withTemporary(async (path) => {
      expect(existsSync(path)).toBe(false);
      await make(path);
      return path;
    });
    expect(existsSync(seen)).toBe(false);
    await withTemporary(async (path) => {
      await make(path);
      await rename(path, target);
    });
    expect(existsSync(join(target, 'deep/file'))).toBe(true);
    expect(await left()).toEqual([]);
  });

  it('goes after a failure, which is told', async () => {
    await expect(withTemporary(fail)).rejects.toThrow('of the test');
    await expect(keptFolder(fail)).rejects.toThrow('of the test');
    expect(await left()).toEqual([]);
  });

  it('is kept with its lease until it is closed', async () => {
    const { path, close } = await keptFolder(make);
    expect((await left()).length).toBe(2);
    expect(existsSync(join(path, 'deep/file'))).toBe(true);
    await close();
    expect(await left()).toEqual([]);
  });
});
