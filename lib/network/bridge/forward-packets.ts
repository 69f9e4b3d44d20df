import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NacelleError } from '../../errors.js';
import { forwardingSettings } from '../../host/forwarding.js';
import { attempt } from '../../native/system-errors.js';
import { withRemovable } from '../../store/removable-lock.js';
import { defaultLink } from '../ipam/routes.js';
import { forwardingFolder } from './network-folder.js';
import { type NetworkRecord, subnetsOf } from './network-settings.js';
import { ownAdvertisedLinks, ownRoutes } from './taken-subnets.js';

/**
 * Has this machine forward packets as long as a bridge is there, which it is when this is called. What another has switched on stays on.
 *
 * @param families those whose packets are to be forwarded
 * @throws NacelleError `ERR_FORWARDING`: the machine would lose its own routes; SyscallError
 */
export async function forwardPackets(bridge: string, families: readonly (4 | 6)[]): Promise<void> {
  if (families.length === 0) return;
  const folder = forwardingFolder();
  await noteLinks(folder, [bridge], () => {
    for (const family of families) switchOn(folder, family);
  });
}

/**
 * Has what was switched on here stay on while some links of others are there: whoever made them may have found it on, and count on that. Where nothing was,
 * this does nothing.
 *
 * @throws SyscallError
 */
export async function keepForwarding(links: readonly string[]): Promise<void> {
  const folder = forwardingFolder();
  if (links.length > 0 && existsSync(folder)) await noteLinks(folder, links, () => undefined);
}

async function noteLinks(folder: string, names: readonly string[], then: () => void): Promise<void> {
  const links = join(folder, 'links');
  const makeFolder = (): void => {
    attempt(`make the folder ${links}`, () => mkdirSync(links, { recursive: true, mode: 0o700 }));
  };
  await withRemovable(join(folder, 'lock'), makeFolder, async () => {
    for (const name of names) {
      attempt('write down who needs packets to be forwarded', () => writeFileSync(join(links, name), '', { mode: 0o600 }));
    }
    then();
  });
}

/** The families in which containers of a network get beyond this machine. */
export function forwardedFamilies(record: Pick<NetworkRecord, 'internal' | 'subnets'>): (4 | 6)[] {
  if (record.internal) return [];
  const families = new Set(subnetsOf(record).map(({ family }) => family));
  // a router of IPv6 is one for all of its links, so that needs a reason
  const leadsOut = (): boolean => defaultLink(ownRoutes().filter(({ to }) => to.family === 6)) !== null;
  return ([4, 6] as const).filter((family) => families.has(family) && (family === 4 || leadsOut()));
}

function switchOn(folder: string, family: 4 | 6): void {
  const settings = forwardingSettings[family];
  const [{ path: forwarding }] = settings;
  if (textOf(forwarding) !== '0\n') return;
  if (family === 6) requireOwnRoutes();
  for (const { path, saved } of settings) {
    const [file, was] = [join(folder, saved), textOf(path)];
    attempt(`write ${file}`, () => writeFileSync(file, was, { mode: 0o600 }));
  }
  attempt(`write ${forwarding}`, () => writeFileSync(forwarding, '1', { flag: 'r+' }));
}

function textOf(path: string): string {
  return attempt(`read ${path}`, () => readFileSync(path, 'utf8'));
}

/** A router takes no routes from other routers, unless its administrator says so (Documentation/networking/ip-sysctl.rst: accept_ra). */
function requireOwnRoutes(): void {
  for (const link of ownAdvertisedLinks()) {
    // with slashes, since the name of a link may have dots (sysctl(8))
    const setting = `net/ipv6/conf/${link}/accept_ra`;
    const path = `/proc/sys/${setting}`;
    if (textOf(path).trim() !== '1') continue;
    throw new NacelleError(
      `forward packets of IPv6: this machine would lose its default route by ${link}, which a router has told it. Type: sysctl ${setting}=2`,
      { code: 'ERR_FORWARDING' },
    );
  }
}
