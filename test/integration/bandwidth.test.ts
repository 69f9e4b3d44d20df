import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { names, useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { loneMachine } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({
  root: true,
  containers: true,
  tools: ['ip', 'tc', 'nsenter', 'unshare', 'bash', 'head', 'wc', 'sleep', 'true', 'ping'],
});
const temporary = temporaryFolder();
useNets();

const machine = () => loneMachine(temporary);

const MiB = 1024 ** 2;
const LEAST_BURST = 64 * 1024;
/** The kernel keeps a burst as the time that it takes, in ticks of 64 ns, of which tc makes whole µs. */
function burst(rate: number): number {
  const ticks = Math.floor((Math.max(LEAST_BURST, Math.floor(rate / 40)) * 1e9) / rate / 64);
  return Math.floor((rate * Math.floor(ticks / 15.625)) / 1e6);
}
/** What tc shows of both directions. */
const receives = (port: string, rate: number): string[] => [`${port} tbf ${rate} ${burst(rate)}`];
const sends = (port: string, rate: number): string[] => [`${port.replace('nclv', 'ncli')} tbf ${rate} ${burst(rate)}`, `${port} ingress`];

describe('bandwidth', () => {
  it('makes a transfer take its time, in both directions', async () => {
    const { from } = await machine();
    const seen = await runNode<{ sent: number; received: number }>('bandwidth', ['limited'], from);
    expect(seen).toEqual({
      queues: [...sends('nclv0a010002', MiB / 2), ...receives('nclv0a010002', MiB)].sort(),
      redirected: ['all mirred redirect egress ncli0a010002'],
      option: { egress: MiB / 2, ingress: MiB },
      sent: expect.any(Number),
      received: expect.any(Number),
    });
    // of 2 MiB a burst goes at once; headers count too, so it takes somewhat longer
    expect(seen.sent).toBeGreaterThan((2 * MiB - LEAST_BURST) / (MiB / 2));
    expect(seen.received).toBeGreaterThan((2 * MiB - LEAST_BURST) / MiB);
  });

  it('holds for each link, in a user namespace, for detached containers and after a restart', async () => {
    const { from } = await machine();
    const kept = sends('nclv0a010009', 4 * MiB).sort();
    expect(await runNode('bandwidth', ['ways'], from)).toEqual({
      directions: [...receives('nclv0a010002', 2 * MiB), ...sends('nclv0a010003', 3 * MiB), ...sends('nclv0a590002', 3 * MiB)].sort(),
      detached: kept,
      restarted: kept,
      inspected: { egress: 4 * MiB, ingress: null },
      records: 0,
    });
  });

  it('of what is sent leaves a container that shares the network no link at its end, so that nothing passes it', async () => {
    const { from } = await machine();
    expect(await runNode('bandwidth', ['shared'], from)).toEqual({ egress: [], ingress: ['eth0'] });
  });

  it('of what is sent leads no packet past the rules of the network', async () => {
    const { from } = await machine();
    expect(await runNode('bandwidth', ['guarded'], from)).toEqual({ added: true, own: true, other: false });
  });

  it('is refused with the option and the reason, and leaves what is not its own', async () => {
    const { from } = await machine();
    const range = (value: number): string => `must be from 1024 to 68719476736 bytes a second, not ${value}`;
    const needs = 'ERR_INVALID_OPTION: option bandwidth: needs links of its own: the option network with networks';
    expect(await runNode('bandwidth', ['refused'], from)).toEqual({
      zero: `ERR_INVALID_OPTION: option bandwidth.egress: ${range(0)}`,
      small: `ERR_INVALID_OPTION: option bandwidth.ingress: ${range(100)}`,
      large: `ERR_INVALID_OPTION: option bandwidth.egress: ${range(65 * 1024 ** 3)}`,
      empty: 'ERR_INVALID_OPTION: option bandwidth: must have egress, ingress or both',
      unknown: expect.stringMatching(/^ERR_INVALID_OPTION: option bandwidth.*upload/),
      none: needs,
      unset: needs,
      host: needs,
      other: needs,
      made: [],
      taken: expect.stringMatching(/^EEXIST: .*make ncli0a010002, through which goes what nclv0a010002 receives/),
    });
  });

  it.each([[['node']], [['shim']], [['shim', 'node']]])('leaves no link when SIGKILL ends %j', async (victims) => {
    const { net, from } = await machine();
    const program = startNode('bandwidth', ['hold'], from);
    // the bridge, its port, and the ifb
    expect((await program.lines.next()).value).toBe('3');
    const shim = shimOf(program.pid);
    if (!shim) throw new Error('it has no shim');
    const pids = { node: program.pid, shim: shim.pid };
    for (const victim of victims) process.kill(pids[victim as keyof typeof pids], 'SIGKILL');
    await until('the shim is gone', () => !isAlive(shim.pid));
    if (victims.join() === 'node') await until('its shim has removed them', async () => (await names(net)).length === 0);
    if (!victims.includes('node')) process.kill(program.pid, 'SIGKILL');
    await program.ended;
    expect(await runNode('bandwidth', ['reap'], from)).toEqual([]);
    expect(await names(net)).toEqual([]);
  });
});
