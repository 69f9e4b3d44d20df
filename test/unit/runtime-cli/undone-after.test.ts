import { describe, expect, it } from 'vitest';
import { NacelleError } from '../../../lib/errors.js';
import { ShimError } from '../../../lib/native/shim-error.js';
import { hasLostShim, undoneAfter } from '../../../lib/runtime-cli/undone-after.js';

const failure = (message: string): NacelleError => new NacelleError(message, { code: 'ERR_STATE' });

describe('a shim that was lost', () => {
  it('is told of by a failure, and by what failed while it was undone', async () => {
    expect(hasLostShim(new ShimError())).toBe(true);
    const once = await undoneAfter(failure('first'), () => Promise.reject(new ShimError()));
    expect(hasLostShim(once)).toBe(true);
    const undo = (): never => {
      throw failure('second');
    };
    expect(hasLostShim(await undoneAfter(once, undo))).toBe(true);
  });

  it('is not what else fails', async () => {
    expect(hasLostShim(failure('first'))).toBe(false);
    expect(hasLostShim(await undoneAfter(failure('first'), () => Promise.reject(failure('second'))))).toBe(false);
    expect(hasLostShim('text')).toBe(false);
  });
});
