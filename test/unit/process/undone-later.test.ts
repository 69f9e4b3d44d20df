import { once } from 'node:events';
import { expect, it } from 'vitest';
import { NacelleError } from '../../../lib/errors.js';
import { Deferred } from '../../../lib/native/deferred.js';
import { type Undone, undoing, undoneLater } from '../../../lib/process/undone-later.js';

const WELL: Undone = { undoErrors: [], notStartedAgain: null };

const ending = () => new Deferred<Undone>();

it('goes ahead, and tells by a warning what could not be undone', async () => {
  const ended = ending();
  expect(await undoneLater(ended.promise, ['tool'])).toEqual(WELL);
  const warned = once(process, 'warning');
  ended.resolve({ ...WELL, undoErrors: [new NacelleError('it is in use', { code: 'ERR_TEST' })] });
  const [warning] = await warned;
  expect(warning).toMatchObject({ name: 'NacelleWarning', code: 'ERR_CLEANUP', message: 'clean up after tool: it is in use' });
  expect(undoing.size).toBe(0);
});

it('tells also that nobody knows what was undone', async () => {
  const ended = ending();
  await undoneLater(ended.promise, ['tool']);
  const warned = once(process, 'warning');
  ended.reject(new NacelleError('the shim has ended', { code: 'ERR_TEST' }));
  expect((await warned)[0]).toMatchObject({ code: 'ERR_CLEANUP', message: expect.stringContaining('the shim has ended') });
});

it('waits where 64 are behind', async () => {
  const behind = Array.from({ length: 64 }, ending);
  for (const { promise } of behind) await undoneLater(promise, ['tool']);
  const last = ending();
  let isThere = false;
  const waited = undoneLater(last.promise, ['tool']).then((undone) => {
    isThere = true;
    return undone;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isThere).toBe(false);
  const failure = new NacelleError('it is in use', { code: 'ERR_TEST' });
  last.resolve({ ...WELL, undoErrors: [failure] });
  expect((await waited).undoErrors).toEqual([failure]);
  for (const { resolve } of behind) resolve(WELL);
  await Promise.all(undoing);
  expect(undoing.size).toBe(0);
});
