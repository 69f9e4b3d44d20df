import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readIfThere } from '../../../lib/native/read-if-there.js';

describe('what /proc tells of a process', () => {
  it('is nothing when the process ends between opening and reading', async () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const fd = openSync(`/proc/${child.pid}/stat`, 'r');
    try {
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(readIfThere(`/proc/self/fd/${fd}`)).toBeNull();
    } finally {
      closeSync(fd);
    }
  });
});
