import { expect } from 'vitest';
import { Container, Namespace } from '../../../lib/index.js';
import { entries, namespaceOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const linksInside = 'ls /sys/class/net';
const IFF_UP = 1;

describe('network', () => {
  it("'none' is the default: lo, up, with its addresses, and nothing that goes out", async () => {
    const text = await output(
      'cat /sys/class/net/lo/flags; tail -n +2 /proc/net/route; cat /proc/net/if_inet6; tail -n +3 /proc/net/dev | cut -d: -f1',
    );
    const lines = text.split('\n').map((line) => line.trim());
    expect(Number(lines[0]) & IFF_UP).toBe(IFF_UP);
    expect(lines.at(-1)).toBe('lo');
    // No route but the local ones.
    expect(lines.filter((line) => /^(eth|veth|wl)/.test(line))).toEqual([]);
  });

  it('none: programs inside talk over lo', async () => {
    // nc stops listening to the network when its input is at its end, so that is held open
    const script =
      'mkfifo /hold; nc -l -p 4242 < /hold > /got & exec 3> /hold; while ! grep -q ":1092 " /proc/net/tcp /proc/net/tcp6; do sleep 0.01; done; echo hello | nc 127.0.0.1 4242; wait; cat /got';
    expect(await output(script)).toBe('hello');
  });

  it("'host' is the host's", async () => {
    expect(await output('readlink /proc/self/ns/net', { network: 'host' })).toBe(namespaceOf('self', 'net'));
    expect(
      (await output('tail -n +3 /proc/net/dev | cut -d: -f1', { network: 'host' }))
        .split('\n')
        .map((name) => name.trim())
        .sort(),
    ).toEqual(entries('/sys/class/net').sort());
  });

  asRoot.it('a Namespace, shared by two', async () => {
    const { net } = await Namespace.create(['net']);
    try {
      const [one, two] = await Promise.all([
        output('readlink /proc/self/ns/net', { network: net }),
        output('readlink /proc/self/ns/net', { network: net }),
      ]);
      expect(one).toBe(`net:[${net.inode}]`);
      expect(two).toBe(one);
      expect(await output(linksInside, { network: net })).toBe('lo');
    } finally {
      await net.close();
    }
  });

  it("another container's", async () => {
    await using first = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await first.start();
    expect(await output('readlink /proc/self/ns/net', { network: first })).toBe(namespaceOf(first.pid, 'net'));
  });

  it('/sys shows the links of its own network', async () => {
    expect(await output(linksInside)).toBe('lo');
  });
});
