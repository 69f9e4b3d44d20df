import { invalidOption } from '../../errors.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import { privilege } from '../../host/privilege.js';
import { carryOut } from '../../native/host-work.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { Task } from '../../native/task.js';
import { planOf, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { tableName } from '../nftables/owner-table-plan.js';
import { forgetConnectionsTo } from './forget-ports.js';
import { holdPort } from './hold-port.js';
import type { PublishedPort, WantedPort } from './port-mapping.js';
import { endSteps, hasRules, type PortsRecord, publishSteps, targetOf } from './port-record.js';

/** A port that a container is to have, with its place among the caller's options: 'ports[0]'. */
export interface AskedPort extends WantedPort {
  readonly option: string;
}

/** The published ports of a container that is about to be made. */
export interface JoinedPorts {
  /** What its task has of them, with the descriptors that Node gives it and gets back; to be called once. */
  steps(slots: Slots): { readonly prepare: readonly Step[]; readonly undo: readonly Step[]; readonly returns: readonly Slot[] };
  /** After `steps`. */
  readonly record: PortsRecord | null;
  /** The task has begun, and the rules are there: whoever tried a port before is led to the container from now on. */
  begun(task: Task): Promise<void>;
  /** Lets go what this process has of the ports. Once or more often. */
  release(): void;
}

type Targets = Pick<PortsRecord, 'targets' | 'isCarried'>;

interface Held extends PublishedPort {
  readonly fd: number;
}

/**
 * Takes ports of this machine for a container: from now on no other process gets them.
 *
 * @param of.targets the container's addresses in networks that lead out
 * @throws as {@link holdPort}; NacelleError `ERR_INVALID_OPTION` where the container has no such address
 */
export async function joinPorts(
  asked: readonly AskedPort[],
  of: { readonly owner: string } & Pick<PortsRecord, 'targets'>,
): Promise<JoinedPorts> {
  const held: Held[] = [];
  const isCarried = areCarried();
  const release = (): void => {
    for (const { fd } of held.splice(0)) closeDescriptor(fd);
  };
  try {
    for (const one of asked) held.push(await hold(one, { ...of, isCarried }));
  } catch (error) {
    release();
    throw error;
  }
  let record: PortsRecord | null = null;
  return {
    steps(slots) {
      const bare: PortsRecord = {
        namespace: ownNetworkNamespace(),
        table: tableName(of.owner),
        socket: slots.take(),
        isMade: false,
        isCarried,
        targets: of.targets,
        list: held.map(({ fd, ...port }) => ({ ...port, slot: slots.give(fd) })),
      };
      record = { ...bare, isMade: bare.list.some((port) => hasRules(bare, port)) };
      const returns = bare.list.map(({ slot }) => slot);
      return { prepare: publishSteps(bare, bare.list), undo: endSteps(bare), returns };
    },
    get record() {
      return record;
    },
    async begun(task) {
      // the task has duplicates of these sockets by now
      release();
      if (record === null) return;
      for (const port of record.list) await forgetConnectionsTo(port, { task, ports: record });
    },
    release,
  };
}

/** Whether this user's ports are carried to the containers: these are on networks in a namespace of the user's. */
export function areCarried(): boolean {
  return privilege().kind !== 'root';
}

async function hold({ option, ...wanted }: AskedPort, of: Targets): Promise<Held> {
  requireTarget(wanted, option, of);
  const out = 0;
  const { host, made } = await holdPort(wanted, { option, out, isCarried: of.isCarried }, (step) =>
    carryOut(planOf({ prepare: [step], returns: [out] })),
  );
  const fd = made.descriptors.get(out);
  if (fd === undefined) throw new Error('the shim gives what a plan returns');
  return { container: wanted.container, host, address: wanted.address.text, protocol: wanted.protocol, fd };
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function requireTarget(wanted: WantedPort, option: string, of: Targets): void {
  if (of.targets.length === 0)
    throw invalidOption(option, 'needs a network with a bridge that is not internal: from an internal one nothing goes out');
  if (targetOf(of, wanted) !== null) return;
  const { text, family } = wanted.address;
  throw invalidOption(option, `is at ${text}, and the container has no address of IPv${family} in a network that leads out`);
}
