import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processSeen } from '../../../lib/host/process-identity.js';
import { closeAll, openJoined, openNamespacesOf } from '../../../lib/runtime-cli/runtime-machine.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const folder = temporaryFolder();

describe('namespaces of a container', () => {
  it('are those of the process that was noted, not of whoever has its number', () => {
    const { pid } = process;
    const startTime = processSeen(pid)?.startTime ?? '';
    const opened = openNamespacesOf({ pid, startTime }, new Set(), { isUser: false });
    closeAll(opened.values());
    expect(opened.size).toBe(0);
    expect(() => openNamespacesOf({ pid, startTime: `${startTime}0` }, new Set(), { isUser: false })).toThrow('stopped container');
    expect(() => openNamespacesOf({ pid: 2 ** 30, startTime }, new Set(), { isUser: false })).toThrow('stopped container');
  });
});

describe('namespaces that are joined by path', () => {
  it('are of their type, and no other file', () => {
    const joined = openJoined({
      namespaces: [
        { type: 'network', path: '/proc/self/ns/net' },
        { type: 'pid', path: undefined },
      ],
    });
    closeAll(joined.values());
    expect([...joined.keys()]).toEqual(['net']);
    const plain = join(folder, 'plain');
    writeFileSync(plain, '');
    for (const path of [plain, '/proc/self/ns/uts', '/dev/null'])
      expect(() => openJoined({ namespaces: [{ type: 'network', path }] })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`${path} is no network namespace`) }),
      );
  });
});
