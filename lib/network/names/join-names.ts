import { join } from 'node:path';
import { runtimeDir } from '../../native/runtime-dir.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { noteOf } from '../noted.js';
import { type MemberPlace, memberText } from './member.js';

// How a container is found by others on its networks, and finds them. In the runtime folder:
//
//   members/NETNS/ID      a container, as others find it (member.ts)
//
// NETNS is the inode number of the network namespace with the bridges. The folder goes with the last shim.

/** What a container may ask at 127.0.0.11. */
export interface NamesService {
  readonly folder: string;
  /** The networks whose names it is told. */
  readonly networks: readonly string[];
  /** Other names are asked for on the host. */
  readonly forwards: boolean;
  /** It has a list of names: what answers for that asks here, and the container does not. Default: no. */
  readonly isGuided?: boolean;
}

/** What a container has of names: the file by which others find it, and whom it asks. */
export interface JoinedNames {
  /** `null`: it asks others. */
  readonly service: NamesService | null;
  /** Host steps that make the file, and those that remove it and end the service. */
  steps(): { readonly prepare: readonly Step[]; readonly undo: readonly Step[] };
  /** Forgets what was not made. `isHandedOver`: a task has, or had, these steps. */
  release(isHandedOver: boolean): void;
}

interface Joining {
  /** The container's. */
  readonly id: string;
  /** The shim that makes and ends it. */
  readonly owner: string;
  /** The container asks us about names. */
  readonly asksNames: boolean;
  /** One of its networks leads out. */
  readonly forwards: boolean;
  /** What answers for its list of names asks us. */
  readonly isGuided: boolean;
  /** The inode number of the network namespace with the bridges. */
  readonly namespace: number;
  /** This process keeps a bridge for it, which plugins of CNI don't need. */
  readonly keepsBridge: boolean;
}

/** @param namespace the inode number of the network namespace with the bridges */
export function membersFolder(namespace: number): string {
  return join(runtimeDir(), 'members', String(namespace));
}

/** @param shared networks of a container whose network namespace this one joins: there it is found by that one's names */
export function joinNames(places: readonly MemberPlace[], shared: readonly string[], of: Joining): JoinedNames {
  const folder = membersFolder(of.namespace);
  const networks = [...places.map(({ network }) => network), ...shared];
  const member = places.length === 0 ? null : memberSteps(places, { ...of, folder });
  return {
    service: of.asksNames ? { folder, networks, forwards: of.forwards && !of.isGuided, isGuided: of.isGuided } : null,
    steps: () => ({
      prepare: member?.prepare ?? [],
      undo: [...(of.asksNames ? [{ op: 'stop_names', host: true } as const] : []), ...(member?.undo ?? [])],
    }),
    release(isHandedOver) {
      if (!isHandedOver) member?.drop();
    },
  };
}

function memberSteps(places: readonly MemberPlace[], { id, owner, keepsBridge, folder }: Joining & { readonly folder: string }) {
  const path = join(folder, id);
  const noted = noteOf({ owner, keepsBridge }, `${id}-names`, [{ kind: 'file', path }]);
  const prepare: Step[] = [...noted.write, { op: 'put_member', host: true, folder, name: id, bytes: Buffer.from(memberText(places)) }];
  const undo: Step[] = [{ op: 'unlink', host: true, at: NONE, path }, ...noted.forget];
  return { prepare, undo, drop: () => noted.drop() };
}

/** The step by which a container may ask, from its network namespace. */
export function serveNames({ folder, networks, forwards, isGuided }: NamesService, namespace: Slot): Step {
  if (isGuided) return { op: 'serve_peers', host: true, ns: namespace, networks, folder };
  return { op: 'serve_names', host: true, ns: namespace, forwards: forwards ? 1 : 0, networks, folder };
}
