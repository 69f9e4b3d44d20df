import { describe, expect, it } from 'vitest';
import { closeAll, openNamespacesOf } from '../../../lib/runtime-cli/runtime-machine.js';
import { processSeen } from '../../../lib/runtime-cli/state/process-identity.js';

describe('namespaces of a container', () => {
  it('are those of the process that was noted, not of whoever has its number', () => {
    const { pid } = process;
    const startTime = processSeen(pid)?.startTime ?? '';
    const opened = openNamespacesOf({ pid, startTime }, new Set());
    closeAll(opened.values());
    expect(opened.size).toBe(0);
    expect(() => openNamespacesOf({ pid, startTime: `${startTime}0` }, new Set())).toThrow('stopped container');
    expect(() => openNamespacesOf({ pid: 2 ** 30, startTime }, new Set())).toThrow('stopped container');
  });
});
