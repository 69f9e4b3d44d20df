import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import { listIfThere } from '../../native/read-if-there.js';
import { attempt } from '../../native/system-errors.js';
import { withPrefix } from '../address.js';
import { bridgeOf } from '../bridge/network-folder.js';
import { membersFolder } from '../names/join-names.js';
import { memberText } from '../names/member.js';
import type { Remote } from './tunnel-plan.js';

// Containers on other hosts are found by name as those here are: by a file for each beside those of this host's containers (names/member.ts),
// BRIDGE@ADDRESS. It stays until the network is removed, as what it says stays written down. The caller has the network's lock.

/** Writes what is known of some containers, in the place of what was. */
export function putNames(network: string, remotes: readonly Remote[]): void {
  for (const { address, names } of remotes) {
    const file = fileOf(network, address.text);
    if (names.length === 0) remove(file);
    else put(file, memberText([{ network: bridgeOf(network).name, addresses: [withPrefix(address, 8 * address.bytes.length)], names }]));
  }
}

/** Forgets all containers of a network but these. */
export function keepNames(network: string, remotes: readonly Remote[]): void {
  const kept = new Set(remotes.map(({ address }) => fileOf(network, address.text)));
  const own = listIfThere(folder()).filter((file) => file.startsWith(fileOf(network, '')));
  for (const file of own) if (!kept.has(file)) remove(file);
}

function folder(): string {
  return membersFolder(ownNetworkNamespace());
}

function fileOf(network: string, address: string): string {
  return `${bridgeOf(network).name}@${address}`;
}

function remove(file: string): void {
  const path = join(folder(), file);
  attempt(`remove ${path}`, () => rmSync(path, { force: true }));
}

/** How often a folder may go, with a shim that ends, before a file is in it. */
const TRIES = 10;

function put(file: string, text: string): void {
  const [path, unfinished] = [join(folder(), file), join(folder(), `.${file}`)];
  attempt(`write ${path}`, () => {
    for (let tries = 1; ; tries++) {
      try {
        // the folder of all is its owner's alone; the server of names, which is nobody, is given this one
        mkdirSync(dirname(folder()), { recursive: true, mode: 0o700 });
        mkdirSync(folder(), { recursive: true, mode: 0o755 });
        chmodSync(folder(), 0o755);
        writeFileSync(unfinished, text);
        chmodSync(unfinished, 0o644);
        renameSync(unfinished, path);
        return;
      } catch (error) {
        if (!hasCode(error, 'ENOENT') || tries === TRIES) throw error;
      }
    }
  });
}
