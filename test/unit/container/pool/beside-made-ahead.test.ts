import { afterEach, expect, it, vi } from 'vitest';
import { besideMadeAhead } from '../../../../lib/container/pool/beside-made-ahead.js';
import { parkedAhead } from '../../../../lib/container/pool/parked-ahead.js';
import { prewarm } from '../../../../lib/container/start/prewarm.js';
import { nativeError } from '../../../../lib/native/system-errors.js';

const [ENOENT, EAGAIN, ENOSPC] = [2, 11, 28];

afterEach(() => void vi.restoreAllMocks());

it.each([
  [EAGAIN, 1],
  [ENOSPC, 1],
  [ENOENT, 0],
])('undoes what was made ahead where errno %d says that something is short', async (errno, times) => {
  const forgets = [vi.spyOn(parkedAhead, 'forget'), vi.spyOn(prewarm, 'forget')];
  const error = nativeError('start a process', 'clone3', errno);
  await expect(besideMadeAhead(() => Promise.reject(error))).rejects.toBe(error);
  for (const forget of forgets) expect(forget).toHaveBeenCalledTimes(times);
});

it('leaves it alone where nothing fails', async () => {
  const forget = vi.spyOn(parkedAhead, 'forget');
  expect(await besideMadeAhead(async () => 1)).toBe(1);
  expect(forget).not.toHaveBeenCalled();
});
