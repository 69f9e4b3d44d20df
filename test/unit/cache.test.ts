import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cached } from '../fixtures/cache.js';

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

const recipe = `a test of ${process.pid} at ${Date.now()}`;

/** Makes something in the way of a fixture, and tells how often that was begun. */
function maker() {
  const counted = { begun: 0 };
  const make = async (name: string): Promise<string> => {
    const folder = await cached(name, { recipe, tools: [] }, async (target) => {
      counted.begun++;
      await writeFile(join(target, 'file'), '');
    });
    made.push(folder);
    return folder;
  };
  return { counted, make };
}

describe('what fixtures make once for a machine', () => {
  it('is made by one of those that want it at once', async () => {
    const { counted, make } = maker();
    const folders = await Promise.all(Array.from({ length: 5 }, () => make('wanted-at-once')));
    expect(new Set(folders).size).toBe(1);
    expect(counted.begun).toBe(1);
    expect(readdirSync(folders[0] ?? '')).toEqual(['file']);
  });

  it('is made by another one where its maker has ended', async () => {
    const { counted, make } = maker();
    const folder = await make('left-behind');
    rmSync(folder, { recursive: true });
    // no process has begun at that time
    symlinkSync(`${process.pid} 0`, `${folder}.maker`);
    expect(await make('left-behind')).toBe(folder);
    expect(counted.begun).toBe(2);
    expect(readdirSync(dirname(folder)).filter((name) => name.startsWith('left-behind') && name.endsWith('.maker'))).toEqual([]);
    expect(existsSync(join(folder, 'file'))).toBe(true);
  });
});
