import { expect } from 'vitest';
import { NacelleError } from '../../lib/errors.js';
import { VethPair } from '../../lib/network/veth.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { globals, inside, makeNet, names, show, useNets } from '../fixtures/nets.js';
import { missing, requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['ip', 'nsenter', 'unshare', 'ping', 'mount', 'umount'] });

useNets();

describe('VethPair', () => {
  it('makes both ends in their namespaces, as ip shows them', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    await using pair = await VethPair.create({
      namespace: a,
      peer: b,
      name: 'left',
      peerName: 'right',
      address: ['10.9.0.1/24', 'fd09::1/64'],
      peerAddress: ['10.9.0.2/24', 'fd09::2/64'],
      gateway: '10.9.0.1',
      mtu: 1400,
      mac: '02:00:00:00:09:01',
      peerMac: '02:00:00:00:09:02',
    });
    const [left, right] = [await show(a, 'left'), await show(b, 'right')];

    expect(pair.host).toEqual({
      name: 'left',
      index: left.ifindex,
      mac: '02:00:00:00:09:01',
      mtu: 1400,
      addresses: ['10.9.0.1/24', 'fd09::1/64'],
    });
    expect(pair.peer).toEqual({
      name: 'right',
      index: right.ifindex,
      mac: '02:00:00:00:09:02',
      mtu: 1400,
      addresses: ['10.9.0.2/24', 'fd09::2/64'],
    });
    for (const [link, end] of [
      [left, pair.host],
      [right, pair.peer],
    ] as const) {
      expect({ mac: link.address, mtu: link.mtu, addresses: globals(link) }).toEqual({
        mac: end.mac,
        mtu: end.mtu,
        addresses: end.addresses,
      });
      expect(link.flags).toEqual(expect.arrayContaining(['UP', 'LOWER_UP']));
    }
    const routes = JSON.parse(await inside(b, 'ip', '-json', 'route', 'show', 'default')) as object[];
    expect(routes).toEqual([expect.objectContaining({ dst: 'default', gateway: '10.9.0.1', dev: 'right' })]);
    expect(JSON.parse(await inside(a, 'ip', '-json', 'route', 'show', 'default'))).toEqual([]);
  });

  it.each([
    ['IPv4 at this end', { address: '10.9.0.1/24', peerAddress: '10.8.0.2/24' }, '10.9.0.1/24'],
    ['with another prefix', { address: '10.9.0.1/32' }, '10.9.0.1/32'],
    ['IPv6 at this end', { address: 'fd09:0::1/64' }, 'fd09::1/64'],
    ['IPv4 at the peer', { address: '10.8.0.1/24', peerAddress: '10.9.0.2/24' }, '10.9.0.2/24'],
    ['IPv6 at the peer', { peerAddress: 'fd09::2/120' }, 'fd09::2/120'],
  ])('refuses an address that another link has: %s', async (_, addresses, refused) => {
    const [a, b] = [await makeNet(), await makeNet()];
    const common = { namespace: a, peer: b };
    const address = ['10.9.0.1/24', 'fd09::1/64', 'fe80::1/64'];
    await using first = await VethPair.create({ ...common, address, peerAddress: ['10.9.0.2/24', 'fd09::2/64', 'fe80::2/64'] });
    const second = VethPair.create({ ...common, ...addresses });
    await expect(second).rejects.toMatchObject({ name: 'NacelleError', code: 'EADDRINUSE', message: expect.stringContaining(refused) });
    expect([await names(a), await names(b)]).toEqual([[first.host.name], [first.peer.name]]);
    expect(await inside(a, 'ping', '-c', '1', '-W', '5', '10.9.0.2')).toContain(' 0% packet loss');
    // each link has link-local ones of its own
    await using third = await VethPair.create({ ...common, address: ['10.8.0.1/24', 'fe80::1/64'], peerAddress: 'fe80::2/64' });
    expect(third.host.addresses).toEqual(['10.8.0.1/24', 'fe80::1/64']);
  });

  it('gives one address to one of several that ask at once', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    const asked = Array.from({ length: 5 }, () => VethPair.create({ namespace: a, peer: b, address: '10.9.0.1/24' }));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))).toEqual(Array(4).fill('EADDRINUSE'));
    for (const one of outcomes) if (one.status === 'fulfilled') await one.value.remove();
  });

  it('keeps the route to its subnet where a bridge has the address, also when the container has died', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    await inside(a, 'sh', '-ec', 'ip link set lo up; ip link add br0 type bridge; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up');
    await inside(
      a,
      'sh',
      '-ec',
      'ip link add away type bridge; ip addr add 10.1.0.1/24 dev away; ip link set away up; ip route add default via 10.1.0.2',
    );
    const route = async (to: string): Promise<string> => JSON.parse(await inside(a, 'ip', '-json', 'route', 'get', to))[0].dev;
    await using bridged = await VethPair.create({ namespace: a, peer: b, bridge: 'br0', peerAddress: '10.9.0.2/24' });
    await using plain = await VethPair.create({ namespace: a, peer: b, address: '10.8.0.1/24', peerAddress: '10.8.0.2/24' });
    expect([await route('10.9.0.2'), await route('10.8.0.2')]).toEqual(['br0', plain.host.name]);
    await b.close();
    await until('the pairs are gone', async () => !(await names(a)).includes(plain.host.name));
    expect([await route('10.9.0.2'), await route('10.8.0.2')]).toEqual(['br0', 'away']);
    await expect(bridged.stats()).rejects.toMatchObject({ code: 'ENODEV' });
  });

  it('carries IPv4 and IPv6 at once, and counts what it carried', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    await using pair = await VethPair.create({
      namespace: a,
      peer: b.pid,
      address: ['10.9.0.1/24', 'fd09::1/64'],
      peerAddress: ['10.9.0.2/24', 'fd09::2/64'],
      gateway: 'fd09::1',
    });
    expect(await inside(b, 'ping', '-c', '3', '-i', '0.01', '10.9.0.1')).toContain('3 received');
    expect(await inside(a, 'ping', '-c', '1', 'fd09::2')).toContain('1 received');
    expect(JSON.parse(await inside(b, 'ip', '-6', '-json', 'route', 'show', 'default'))).toEqual([
      expect.objectContaining({ gateway: 'fd09::1' }),
    ]);

    // The kernel sends now and then by itself: what ip reads before and after is the frame of what is to be read.
    const before = await show(a, pair.host.name);
    const { host, peer } = await pair.stats();
    const after = await show(a, pair.host.name);
    expect(host.txPackets).toBeGreaterThanOrEqual(before.stats64.tx.packets);
    expect(host.txBytes).toBeGreaterThanOrEqual(before.stats64.tx.bytes);
    expect(host.rxBytes).toBeGreaterThanOrEqual(before.stats64.rx.bytes);
    expect(host.txPackets).toBeLessThanOrEqual(after.stats64.tx.packets);
    expect(host.rxPackets).toBeLessThanOrEqual(after.stats64.rx.packets);
    expect(before.stats64.rx.packets).toBeGreaterThanOrEqual(4);
    const far = await show(b, pair.peer.name);
    expect(peer.rxPackets).toBeGreaterThanOrEqual(4);
    expect(peer.rxPackets).toBeLessThanOrEqual(far.stats64.rx.packets);
    expect(peer.txBytes).toBeLessThanOrEqual(far.stats64.tx.bytes);
    expect([host.rxErrors, host.txErrors, peer.rxErrors, peer.txErrors]).toEqual([0, 0, 0, 0]);
  });

  it('takes a container, and names of its own when none are given', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    let closed = 0;
    const container = { namespace: async () => ({ fd: b.fd, close: async () => void closed++ }) };
    await using first = await VethPair.create({ namespace: a, peer: container });
    await using second = await VethPair.create({ namespace: a, peer: container });
    expect((await names(a)).sort()).toEqual([first.host.name, second.host.name].sort());
    expect((await names(b)).sort()).toEqual([first.peer.name, second.peer.name].sort());
    expect(closed).toBe(2);
    await first.remove();
    expect(await names(a)).toEqual([second.host.name]);
  });

  it('may have both ends in one namespace', async () => {
    const a = await makeNet();
    await using pair = await VethPair.create({ namespace: a, peer: a, name: 'x', peerName: 'y' });
    expect((await names(a)).sort()).toEqual(['x', 'y']);
    expect(Object.keys(await pair.stats())).toEqual(['host', 'peer']);
  });

  it('becomes a port of a bridge', async () => {
    const [a, b, c] = [await makeNet(), await makeNet(), await makeNet()];
    await inside(a, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
    await inside(a, 'ip', 'link', 'set', 'br0', 'up');
    await using first = await VethPair.create({ namespace: a, peer: b, bridge: 'br0', peerAddress: '10.9.0.2/24' });
    await using second = await VethPair.create({ namespace: a, peer: c, bridge: 'br0', peerAddress: '10.9.0.3/24' });
    expect((await show(a, first.host.name)).master).toBe('br0');
    expect((await show(a, second.host.name)).master).toBe('br0');
    expect(await inside(b, 'ping', '-c', '1', '10.9.0.3')).toContain('1 received');
  });

  it('refuses a bridge that is none before anything is made', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    const options = { namespace: a, peer: b };
    await expect(VethPair.create({ ...options, bridge: 'br0' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('br0'),
    });
    await expect(VethPair.create({ ...options, bridge: 'lo' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('not a bridge'),
    });
    await expect(VethPair.create({ namespace: a, peer: 2 ** 30 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect([await names(a), await names(b)]).toEqual([[], []]);
  });

  it('leaves the one alone whose name was taken', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    await inside(a, 'ip', 'link', 'add', 'taken', 'type', 'bridge');
    const before = await show(a, 'taken');
    const failure = await VethPair.create({ namespace: a, peer: b, name: 'taken' }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('make the veth pair taken'),
    });
    expect(failure instanceof NacelleError ? failure.cleanupError : 'no error of ours').toBeUndefined();
    expect((await show(a, 'taken')).ifindex).toBe(before.ifindex);
    expect([await names(a), await names(b)]).toEqual([['taken'], []]);
  });

  it('removes what it made when the kernel refuses a later step, and tells its words', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    // A default route that is there already is refused at the last step; IPv6 that is off at an earlier one.
    await inside(b, 'ip', 'link', 'set', 'lo', 'up');
    await inside(b, 'ip', 'route', 'add', 'default', 'dev', 'lo');
    const addresses = { address: '10.9.0.1/24', peerAddress: '10.9.0.2/24', gateway: '10.9.0.1' };
    await expect(VethPair.create({ namespace: a, peer: b, ...addresses })).rejects.toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining('add the default route by 10.9.0.1'),
    });
    await inside(b, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
    await expect(VethPair.create({ namespace: a, peer: b, peerAddress: 'fd09::2/64', persist: true })).rejects.toMatchObject({
      code: 'EACCES',
      // older kernels refuse this without a word
      message: expect.stringContaining(missing({ kernel: '6.6' }).length > 0 ? 'add the address' : 'IPv6 is disabled'),
    });
    expect([await names(a), await names(b)]).toEqual([[], []]);
  });

  it('is removed once, with both ends, and then has no statistics', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    const pair = await VethPair.create({ namespace: a, peer: b });
    await Promise.all([pair.remove(), pair.remove()]);
    await pair.remove();
    expect([await names(a), await names(b)]).toEqual([[], []]);
    await expect(pair.stats()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('goes with the namespace of the peer, which it does not keep alive', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    const pair = await VethPair.create({ namespace: a, peer: b });
    await b.close();
    await until('the kernel has taken the namespace down', async () => (await names(a)).length === 0);
    await expect(pair.stats()).rejects.toMatchObject({ code: 'ENODEV' });
    await pair.remove();
  });

  it('persists in no group of ours, and is removed when asked', async () => {
    const [a, b] = [await makeNet(), await makeNet()];
    const pair = await VethPair.create({ namespace: a, peer: b, name: 'lasting', persist: true });
    expect((await show(a, 'lasting')).group).toBe('default');
    await pair.remove();
    expect([await names(a), await names(b)]).toEqual([[], []]);
  });
});
