import { describe, expect, it } from 'vitest';
import { NacelleError, withCleanupError } from '../../../lib/errors.js';
import { recordFiles, writeRecord } from '../../../lib/host/journal.js';
import { withRecord } from '../../../lib/host/recorded.js';
import { ShimError } from '../../../lib/native/shim-error.js';
import { useOwnRecords } from '../../fixtures/own-records.js';

const owner = useOwnRecords();

describe('the record of what could not be made', () => {
  const failed = (): NacelleError => new NacelleError('it failed', { code: 'ERR_TEST' });

  it.each([
    ['goes when nothing is left', failed(), 0],
    ['stays when undoing failed too', withCleanupError(failed(), new Error('it is still there')), 1],
    ['stays when nobody knows what became of it', new ShimError(), 1],
  ])('%s', async (_, error, files) => {
    const forget = writeRecord(owner(), 'one', [{ kind: 'folder', path: '/no/such/folder' }]);
    await expect(withRecord(forget, () => Promise.reject(error))).rejects.toBe(error);
    expect(recordFiles(owner())).toHaveLength(files);
  });

  it('stays with what was made', async () => {
    const forget = writeRecord(owner(), 'one', [{ kind: 'folder', path: '/no/such/folder' }]);
    expect(await withRecord(forget, async () => 'made')).toBe('made');
    expect(recordFiles(owner())).toHaveLength(1);
  });
});
