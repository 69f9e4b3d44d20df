import { join } from 'node:path';
import { pid } from 'node:process';
import { expect, it } from 'vitest';
import { processSeen } from '../../../lib/host/process-identity.js';
import { statsEvent } from '../../../lib/runtime-cli/container-stats.js';
import { makeStateFolder } from '../../../lib/runtime-cli/state/container-state.js';
import { watchEvents } from '../../../lib/runtime-cli/watch-events.js';
import { writeRecord } from '../../fixtures/container-record.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const root = join(temporaryFolder(), 'states');

it('a container without groups has nothing that counts what it uses, and no events', async () => {
  const folder = makeStateFolder(root, 'one');
  writeRecord(folder, {
    ...{ format: 1, ociVersion: '1.3.0', id: 'one', bundle: '/b', rootfs: '/b/rootfs', created: 'then', owner: 'root' },
    ...{ pid, startTime: processSeen(pid)?.startTime ?? '', annotations: {}, groups: [], home: null, freezer: null, config: {} },
  });
  const refused = expect.objectContaining({ code: 'ERR_STATE', message: expect.stringContaining('it was made without them') });
  expect(() => statsEvent(folder)).toThrow(refused);
  await expect(watchEvents(folder, { intervalMs: 1, print: () => {}, tell: () => {} })).rejects.toThrow(refused);
});
