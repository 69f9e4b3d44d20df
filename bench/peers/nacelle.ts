import { existsSync } from 'node:fs';
import { Container, type RunOptions } from 'nacelle';
import { NotHere } from '../case.js';
import { type Subject, subject } from '../measure.js';

/** The container of every comparison: copy-on-write over busybox, all defaults, two limits. */
export function containerOptions(rootfs: string): RunOptions {
  return { image: `dir:${rootfs}`, command: ['/bin/true'], memory: '256m', pidsLimit: 64 };
}

/** With a folder of the caller's, so that none is parked ahead: the difference of two is what an option costs a container that is made for its run. */
export function madeForRun(rootfs: string): RunOptions {
  return { ...containerOptions(rootfs), volumes: [`${rootfs}:/mnt:ro`] };
}

export async function runContainer(rootfs: string): Promise<void> {
  await Container.run(containerOptions(rootfs));
}

/** The same without limits, which an ordinary user has no groups for. */
export async function runUnlimited(rootfs: string): Promise<void> {
  const { image, command } = containerOptions(rootfs);
  await Container.run({ image, command });
}

/** The same on a network that is there at once, made for the run. */
export async function runOn(rootfs: string, network: 'none' | 'bridge' | 'pasta'): Promise<void> {
  const { image, command, volumes } = madeForRun(rootfs);
  await Container.run({ image, command, volumes, network });
}

export function nacelle(rootfs: string): Subject {
  return subject('Container.run', () => runContainer(rootfs));
}

/** The same made for the run. */
export function ownRun(rootfs: string): Subject {
  return subject('Container.run', () => Container.run(madeForRun(rootfs)));
}

/** The same on the host's own files, which is what `image` is by default. */
export function onHost(rootfs: string): Subject {
  return subject("Container.run, image 'host'", () => Container.run({ ...containerOptions(rootfs), image: 'host' }));
}

/** The same program in both: the host's `true` is linked dynamically, which a folder's busybox is not. */
export function busyboxOnHost(rootfs: string): Subject {
  const busybox = ['/usr/bin/busybox', '/bin/busybox'].find(existsSync);
  if (busybox === undefined) throw new NotHere('the host has no busybox');
  return subject('Container.run', () => Container.run({ ...containerOptions(rootfs), image: 'host', command: [busybox, 'true'] }));
}

export function busyboxInFolder(rootfs: string): Subject {
  return subject('Container.run', () => Container.run({ ...containerOptions(rootfs), command: ['/bin/busybox', 'true'] }));
}

/** Eight shapes in turns: both images, two limits, two users, so that no run has the shape of the one before. */
export function alternating(rootfs: string): Subject {
  const shapes = ['0:0', '65534:65534'].flatMap((user) =>
    ['256m', '512m'].flatMap((memory) =>
      [`dir:${rootfs}`, 'host'].map((image): RunOptions => ({ ...containerOptions(rootfs), image, memory, user })),
    ),
  );
  let next = 0;
  return subject('Container.run, shapes in turns', () => Container.run(shapes[next++ % shapes.length] ?? containerOptions(rootfs)));
}
