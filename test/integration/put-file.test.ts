import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { it } = requires({ root: true, tools: ['unshare', 'mount'] });
const folder = temporaryFolder();

describe('a file that the shim writes', () => {
  it('has all of its text, and is no other one’s', async () => {
    const there = join(folder, 'there');
    mkdirSync(there);
    expect(await runNode('put-file', [there, 'name', 'text'])).toEqual({ code: null, names: ['name'] });
    expect(await runNode('put-file', [there, 'name', 'other'])).toEqual({ code: 'EEXIST', names: ['name'] });
    expect(readFileSync(join(there, 'name'), 'utf8')).toBe('text');
  });

  it('is not there where its text has no room: an empty one would count', async () => {
    const full = join(folder, 'full');
    mkdirSync(full);
    const script = 'mount -t tmpfs -o size=4k none "$0"; head -c 4096 /dev/zero >"$0/filling"; exec "$@"';
    const seen = await runNode('put-file', [full, 'name', 'text'], { through: ['unshare', '--mount', 'sh', '-ec', script, full] });
    expect(seen).toEqual({ code: 'ENOSPC', names: ['filling'] });
  });
});
