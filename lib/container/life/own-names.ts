import { join } from 'node:path';
import { writeRecord } from '../../host/journal.js';
import { KEYS, keep } from '../../network/live/kept-steps.js';
import type { LinksRecord } from '../../network/live/links-record.js';
import { membersFolder, type NamesService } from '../../network/names/join-names.js';
import { memberText } from '../../network/names/member.js';
import { NONE } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { serveSteps } from '../plan/changed-links.js';
import type { ContainerRecord } from '../start/container-record.js';

/** What a container with these links may ask at 127.0.0.11; `null`: it asks others. */
export function serviceOf({ namespace, asksNames, isGuided = false, list }: LinksRecord): NamesService | null {
  if (!asksNames) return null;
  return {
    folder: membersFolder(namespace),
    networks: list.map(({ bridge }) => bridge),
    forwards: !isGuided && list.some(({ isInternal }) => !isInternal),
    isGuided,
  };
}

/** Steps by which others find the container on the networks that it has, and no others, and it finds who is there. */
export function nameSteps({ id, networks, links }: ContainerRecord, of: { readonly wasServed: boolean }): Step[] {
  if (links === null) return [];
  const folder = membersFolder(links.namespace);
  const places = links.list.flatMap(({ network, bridge }) => {
    const found = networks.find(({ name }) => name === network);
    return found ? [{ network: bridge, addresses: found.addresses.map((text) => ({ text })), names: found.names }] : [];
  });
  const service = serviceOf(links);
  const path = join(folder, id);
  // a name with a dot is nobody's yet
  const unfinished = join(folder, `.${id}`);
  const told: Step[] = [
    { op: 'unlink', host: true, at: NONE, path: unfinished },
    { op: 'put_member', host: true, folder, name: `.${id}`, bytes: Buffer.from(memberText(places)) },
    { op: 'rename', host: true, path: unfinished, target: path },
  ];
  return [...(places.length === 0 ? [unlink(path)] : told), ...asks(service, of.wasServed)];
}

function asks(service: NamesService | null, wasServed: boolean): Step[] {
  if (service === null) return [];
  const { networks, forwards } = service;
  return wasServed ? [{ op: 'change_names', host: true, networks, forwards: forwards ? 1 : 0 }] : serveSteps(service);
}

/**
 * What comes before the first {@link nameSteps} of a container that had no network: its end is told what to remove, and so is whoever reaps.
 *
 * @throws SyscallError
 */
export function firstNames(
  links: LinksRecord,
  of: { readonly id: string; readonly owner: string },
): { readonly kept: Step[]; readonly undo: Step[] } {
  const path = join(membersFolder(links.namespace), of.id);
  const forget = writeRecord(of.owner, `${of.id}-names`, [{ kind: 'file', path }]);
  const end: Step[] = [...(links.asksNames ? [{ op: 'stop_names', host: true } as const] : []), unlink(path), ...forget];
  return { kept: [keep(KEYS.endNames, end)], undo: [...end, keep(KEYS.endNames, []), keep(KEYS.names, [])] };
}

function unlink(path: string): Step {
  return { op: 'unlink', host: true, at: NONE, path };
}
