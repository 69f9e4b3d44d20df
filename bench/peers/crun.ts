import { NotHere } from '../case.js';
import type { Subject } from '../measure.js';
import { runtime } from './runtime.js';

/** With groups where it can make them (it wants systemd or a tree of v2 alone), else without: that is less work than ours. */
export async function crun(rootfs: string): Promise<Subject> {
  try {
    return await runtime('crun', rootfs, ['--cgroup-manager=cgroupfs']);
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    const { name, ...subject } = await runtime('crun', rootfs, ['--cgroup-manager=disabled']);
    return { name: `${name}, no cgroups`, ...subject };
  }
}
