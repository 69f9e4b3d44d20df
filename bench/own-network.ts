import { readFileSync } from 'node:fs';
import { Container, type ContainerOptions, Network } from 'nacelle';
import type { Line } from './table.js';

/** Of the bench's own, so that none of the machine's is used. */
const NAME = 'nacelle-bench';

/** Measures with a network of the bench's own, where this machine has no links beside which its bridge would be. */
export async function onOwnNetwork(
  what: string,
  subnet: string | undefined,
  measure: (network: Network) => Promise<Line[]>,
): Promise<Line[]> {
  if (/^ *(?!lo:)[^ :]+:/m.test(readFileSync('/proc/self/net/dev', 'utf8'))) {
    return [{ what, reason: 'it would make a bridge beside the links of this machine: run it by `unshare -n`' }];
  }
  const network = await Network.create(NAME, { subnet });
  try {
    return await measure(network);
  } finally {
    await network.remove();
  }
}

/** Adds containers one after the other, and removes all of them. */
export async function withContainers<T>(
  count: number,
  options: ContainerOptions,
  use: (times: readonly number[]) => Promise<T>,
): Promise<T> {
  const containers: Container[] = [];
  const times: number[] = [];
  try {
    while (containers.length < count) {
      const before = performance.now();
      const container = await Container.create(options);
      containers.push(container);
      await container.start();
      times.push(performance.now() - before);
    }
    return await use(times);
  } finally {
    while (containers.length > 0) await Promise.all(containers.splice(-AT_ONCE).map((container) => container.remove({ force: true })));
  }
}

const AT_ONCE = 20;
