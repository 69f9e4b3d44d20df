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

export function nacelle(rootfs: string): Subject {
  return subject('Container.run', () => runContainer(rootfs));
}
