import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { recordFiles } from '../../lib/host/journal.js';
import { reap } from '../../lib/index.js';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { makeNet, type Net, names, show, useNets } from '../fixtures/nets.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['ip', 'nsenter', 'unshare', 'mount', 'umount'] });
const temporary = temporaryFolder();
const run = promisify(execFile);

useNets();

describe("VethPair in Node's own namespace", () => {
  interface Owner {
    readonly owner: string;
    readonly shim: number;
    /** When it was made. */
    readonly host?: { index: number };
    readonly requests?: number;
    kill(which: 'Node' | 'both'): Promise<void>;
  }

  /** A Node process in `outer` that made a pair, or holds before request number `hold` of the making. */
  async function startOwner(outer: Net, options: { peer: number; persist?: boolean; hold?: number }): Promise<Owner> {
    const program = startNode('veth', [JSON.stringify(options)], { through: ['nsenter', '-t', String(outer.pid), '-n'] });
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const shim = shimOf(program.pid);
    if (!shim) throw new Error('it has no shim');
    return {
      ...JSON.parse(line.value),
      shim: shim.pid,
      async kill(which) {
        if (which === 'both') process.kill(shim.pid, 'SIGKILL');
        program.process.kill('SIGKILL');
        await program.ended;
        await until('the shim has ended too', () => !isAlive(shim.pid));
      },
    };
  }

  it('goes with its owner, however that dies', async () => {
    const [outer, peer] = [await makeNet(), await makeNet()];
    const { host, owner, kill } = await startOwner(outer, { peer: peer.pid });
    expect((await show(outer, 'owned')).ifindex).toBe(host?.index);
    await kill('Node');
    expect([await names(outer), await names(peer)]).toEqual([[], []]);
    expect(recordFiles(owner)).toEqual([]);
  });

  it('stays when it persists, and has no record', async () => {
    const [outer, peer] = [await makeNet(), await makeNet()];
    const { owner, kill } = await startOwner(outer, { peer: peer.pid, persist: true });
    expect(recordFiles(owner)).toEqual([]);
    await kill('both');
    await reap();
    expect(await names(outer)).toEqual(['owned']);
  });

  /** The requests by which a pair is made: start, open, make, look up, configure. */
  const REQUESTS = 5;

  it.each([false, true])('leaves nothing when Node is killed between any two steps (persist: %s)', async (persist) => {
    const [outer, peer] = [await makeNet(), await makeNet()];
    for (let hold = 0; hold < REQUESTS; hold++) {
      const { owner, kill } = await startOwner(outer, { peer: peer.pid, persist, hold });
      expect(await names(outer), `before request ${hold}`).toEqual(hold > 2 ? ['owned'] : []);
      await kill('Node');
      expect([await names(outer), await names(peer)], `killed before request ${hold}`).toEqual([[], []]);
      expect(recordFiles(owner)).toEqual([]);
    }
  });

  it.each([false, true])('leaves nothing for the next reap when the shim was killed too (persist: %s)', async (persist) => {
    const [outer, peer] = [await makeNet(), await makeNet()];
    for (let hold = 0; hold < REQUESTS; hold++) {
      const { owner, kill } = await startOwner(outer, { peer: peer.pid, persist, hold });
      expect(await names(outer), `before request ${hold}`).toEqual(hold > 2 ? ['owned'] : []);
      await kill('both');
      // another process may be faster
      await until('it is reaped', async () => (await reap()) && recordFiles(owner).length === 0);
      expect([await names(outer), await names(peer)], `killed before request ${hold}`).toEqual([[], []]);
    }
  });

  it('is found by the first use of the next process, in a namespace that is pinned alone', async () => {
    const [outer, peer, other] = [await makeNet(), await makeNet(), await makeNet()];
    const { owner, requests, kill } = await startOwner(outer, { peer: peer.pid });
    expect(requests).toBe(REQUESTS);
    await kill('both');
    const pin = join(temporary, 'pinned');
    writeFileSync(pin, '');
    await run('mount', ['--bind', `/proc/${outer.pid}/ns/net`, pin]);
    await outer.close();
    try {
      const next = await startOwner(other, { peer: peer.pid });
      expect(JSON.parse((await run('nsenter', [`--net=${pin}`, 'ip', '-json', 'link'])).stdout)).toMatchObject([{ ifname: 'lo' }]);
      expect(recordFiles(owner)).toEqual([]);
      await next.kill('Node');
    } finally {
      await run('umount', [pin]);
    }
  });
});
