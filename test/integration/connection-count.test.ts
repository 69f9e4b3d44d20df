import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { ConnectionCount } from '../../lib/network/nftables/connection-count.js';
import { requires } from '../fixtures/requires.js';

const FILE = '/proc/sys/net/netfilter/nf_conntrack_count';

const { it } = requires({ root: true });

function target(fd: string): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

const open = (): number => readdirSync('/proc/self/fd').filter((fd) => target(fd) === FILE).length;

/** What the kernel says; `null` where it counts none. */
function count(): string | null {
  try {
    return readFileSync(FILE, 'utf8').trim();
  } catch {
    return null;
  }
}

it('says by an open file whether there are connections, and that there may be some once it is closed', () => {
  const connections = new ConnectionCount();
  for (let asked = 0; asked < 3; asked++) {
    const before = count();
    const isNone = connections.isNone();
    // others may make one meanwhile
    if (before === count()) expect(isNone).toBe(before === '0');
    expect(open()).toBe(before === null ? 0 : 1);
  }
  connections.close();
  connections.close();
  expect([connections.isNone(), open()]).toEqual([false, 0]);
});
