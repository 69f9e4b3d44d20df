import type { Attack } from '../attack.js';
import { proc } from './proc.js';
import { syscalls } from './syscalls.js';

/** All attacks, by what they go for. */
export const attacks: Readonly<Record<string, readonly Attack[]>> = {
  'System calls': syscalls,
  '/proc and /sys': proc,
};
