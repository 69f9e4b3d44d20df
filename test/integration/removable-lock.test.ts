import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { withRemovable } from '../../lib/store/removable-lock.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const { describe, it } = requires({});
const folder = temporaryFolder();

describe('a lock that is removed with its folder', () => {
  it('lets others go on while the folder is being removed', async () => {
    const own = join(folder, 'own');
    let tries = 0;
    let isRemoved = false;
    setImmediate(() => {
      isRemoved = true;
    });
    const makeFolder = (): void => {
      if (++tries > 1000) throw new Error('nobody else had a turn');
      if (isRemoved) mkdirSync(own, { recursive: true });
    };
    expect(await withRemovable(join(own, 'lock'), makeFolder, async () => existsSync(own))).toBe(true);
  });
});
