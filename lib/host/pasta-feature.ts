import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { hasCode, UnsupportedError } from '../errors.js';
import { systemError } from '../native/system-errors.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { findProgram } from './programs.js';

const WHAT = "network: 'pasta'";
const NOT_FOUND = { reason: 'pasta is not in PATH', fix: 'Install it: apt-get install passt.' } as const;
const TUN = '/dev/net/tun';
const OPEN_TUN = `Let every user open it, as it usually is: chmod 0666 ${TUN}.`;

/** Options that not every version of pasta has had. */
const OPTIONS = ['--runas', '--no-map-gw', '--config-net', '--ns-ifname', '--no-netns-quit', '--netns', '--pid', '--quiet'];

/**
 * The path of pasta(1), for a container that has it as its way out.
 *
 * @param ofOthers whether root of the container's user namespace is another user than this one: that one opens the device of tunnels then
 * @throws UnsupportedError: it is not in PATH, or the device can't be opened
 */
export function requirePasta({ ofOthers }: { readonly ofOthers: boolean }): string {
  const path = findProgram('pasta');
  if (path === null) throw new UnsupportedError(WHAT, NOT_FOUND.reason, NOT_FOUND.fix);
  const bad = tunProblem(ofOthers);
  if (bad) throw new UnsupportedError(WHAT, bad.reason, bad.fix);
  return path;
}

/** Whether this user has pasta(1), and the device that it needs. */
export function hasPasta(): boolean {
  return findProgram('pasta') !== null && tunProblem(false) === null;
}

function tunProblem(ofOthers: boolean): { readonly reason: string; readonly fix: string } | null {
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    const isOpen = (statSync(TUN).mode & 0o006) === 0o006;
    return ofOthers && !isOpen ? { reason: `root of the container's user namespace may not open ${TUN}`, fix: OPEN_TUN } : null;
  } catch (error) {
    return hasCode(error, 'EACCES', 'EPERM')
      ? { reason: `this user may not open ${TUN}`, fix: OPEN_TUN }
      : { reason: `this machine has no ${TUN}`, fix: 'Load the module of the kernel: modprobe tun.' };
  }
}

/** Whether this user can have it, and pasta, asked for its help, has all options that it is called with. */
export async function pastaFeature(): Promise<Feature> {
  const path = findProgram('pasta');
  if (path === null) return lacking(NOT_FOUND.reason, NOT_FOUND.fix);
  const bad = tunProblem(false);
  if (bad) return lacking(bad.reason, bad.fix);
  try {
    const help = await helpOf(path);
    const missing = OPTIONS.find((option) => !help.includes(option));
    return missing === undefined ? works : lacking(`this version of pasta has no option ${missing}`, 'Install a newer version of passt.');
  } catch (error) {
    return refused(error);
  }
}

/** Older versions print it as their errors, and end with status 1. */
function helpOf(path: string): Promise<string> {
  return new Promise((done, failed) => {
    execFile(path, ['--help'], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') failed(systemError(`ask ${path} for its help`, error));
      else done(stdout + stderr);
    });
  });
}
