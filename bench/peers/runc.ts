import type { Subject } from '../measure.js';
import { runtime } from './runtime.js';

export function runc(rootfs: string): Promise<Subject> {
  return runtime('runc', rootfs);
}
