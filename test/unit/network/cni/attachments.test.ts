import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isThere } from '../../../../lib/network/cni/attachments.js';

const folder = mkdtempSync(join(tmpdir(), 'nacelle-attachments-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the path of a network namespace that plugins were given', () => {
  it('leads there still, or to another namespace, a file of that number, or nowhere', () => {
    const own = '/proc/self/ns/net';
    const { ino } = statSync(own);
    expect(isThere({ request: { netns: own }, inode: ino })).toBe(true);
    expect(isThere({ request: { netns: '/proc/self/ns/mnt' }, inode: ino })).toBe(false);
    expect(isThere({ request: { netns: folder }, inode: statSync(folder).ino })).toBe(false);
    expect(isThere({ request: { netns: join(folder, 'gone') }, inode: ino })).toBe(false);
  });
});
