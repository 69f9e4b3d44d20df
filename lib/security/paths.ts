import type { DeviceRule } from '../options/limits.js';

/** Paths by which /proc and /sys show the host: files get /dev/null mounted over them, folders an empty read-only tmpfs. */
export const defaultMaskedPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/**
 * What only user 0 of the host may read: where things lie in the machine's memory and the kernel's, by which attacks on the kernel and side
 * channels are aimed. A container in a user namespace has no such user.
 */
export const maskedPathsForRoot: readonly string[] = [
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/pagetypeinfo',
  '/proc/slabinfo',
  '/proc/vmallocinfo',
];

/** Paths that may be read, but that change the host when they are written, whoever writes. */
export const defaultReadonlyPaths: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** A device node, as mknod(2) takes it. */
export interface Device {
  readonly path: string;
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
}

/** The devices of every container. /dev/ptmx is a link to pts/ptmx; with a tty /dev/console is its pseudo-terminal. */
export const defaultDevices: readonly Device[] = [
  { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666 },
  { path: '/dev/zero', type: 'c', major: 1, minor: 5, mode: 0o666 },
  { path: '/dev/full', type: 'c', major: 1, minor: 7, mode: 0o666 },
  { path: '/dev/random', type: 'c', major: 1, minor: 8, mode: 0o666 },
  { path: '/dev/urandom', type: 'c', major: 1, minor: 9, mode: 0o666 },
  { path: '/dev/tty', type: 'c', major: 5, minor: 0, mode: 0o666 },
];

/** What /dev has beside devices. */
export const defaultDeviceLinks: readonly { readonly path: string; readonly target: string }[] = [
  { path: '/dev/ptmx', target: 'pts/ptmx' },
  { path: '/dev/fd', target: '/proc/self/fd' },
  { path: '/dev/stdin', target: '/proc/self/fd/0' },
  { path: '/dev/stdout', target: '/proc/self/fd/1' },
  { path: '/dev/stderr', target: '/proc/self/fd/2' },
];

/**
 * The device controller's rules, in order; the last that fits decides. All is refused but the devices of /dev and
 * pseudo-terminals. Making a node is refused like opening one, where docker allows it: with MKNOD a container could
 * leave nodes in a folder of the host, where no controller holds.
 */
export const defaultDeviceRules: readonly DeviceRule[] = [
  { type: 'a', access: 'rwm', allow: false },
  ...defaultDevices.map(({ type, major, minor }): DeviceRule => ({ type, major, minor, access: 'rwm', allow: true })),
  // /dev/pts/ptmx and the pseudo-terminals that it makes.
  { type: 'c', major: 5, minor: 2, access: 'rwm', allow: true },
  { type: 'c', major: 136, access: 'rwm', allow: true },
  // Overlay's whiteouts: before Linux 5.8 the kernel asks the controller of whoever deletes a file. No driver has 0:0.
  { type: 'c', major: 0, minor: 0, access: 'm', allow: true },
];
