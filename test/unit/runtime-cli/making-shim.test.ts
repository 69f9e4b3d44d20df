import { pid } from 'node:process';
import { describe, expect, it } from 'vitest';
import { processSeen } from '../../../lib/host/process-identity.js';
import { untilGone } from '../../../lib/runtime-cli/making-shim.js';

describe('the wait for the end of a shim', () => {
  it('has an end of its own, and names the process', async () => {
    await expect(untilGone(pid, processSeen(pid)?.startTime ?? '', 5)).rejects.toThrow(
      `the container's shim, process ${pid}, does not end`,
    );
  });

  it('is over when another process has the number', async () => {
    await untilGone(pid, 'another', 5);
  });
});
