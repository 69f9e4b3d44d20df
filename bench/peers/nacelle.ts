import { Container, type RunOptions } from 'nacelle';
import { type Subject, subject } from '../measure.js';

/** The container of every comparison: copy-on-write over busybox, all defaults, two limits. */
export function containerOptions(rootfs: string): RunOptions {
  return { image: `dir:${rootfs}`, command: ['/bin/true'], memory: '256m', pidsLimit: 64 };
}

export async function runContainer(rootfs: string): Promise<void> {
  await Container.run(containerOptions(rootfs));
}

/** The same without limits, which an ordinary user has no groups for. */
export async function runUnlimited(rootfs: string): Promise<void> {
  const { image, command } = containerOptions(rootfs);
  await Container.run({ image, command });
}

/** The same on a network that is there at once. */
export async function runOn(rootfs: string, network: 'bridge' | 'pasta'): Promise<void> {
  const { image, command } = containerOptions(rootfs);
  await Container.run({ image, command, network });
}

export function nacelle(rootfs: string): Subject {
  return subject('Container.run', () => runContainer(rootfs));
}
