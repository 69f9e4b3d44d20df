import { hasCode, invalidOption, NacelleError, toError, UnsupportedError, withCleanupError } from '../../errors.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import { forgetConnectionsTo } from '../../network/ports/forget-ports.js';
import { holdPort } from '../../network/ports/hold-port.js';
import { areCarried, requireTarget } from '../../network/ports/join-ports.js';
import type { PublishedPort, WantedPort } from '../../network/ports/port-mapping.js';
import {
  freeSlot,
  type HeldPort,
  hasRules,
  isSamePort,
  type PortsRecord,
  publishSteps,
  told,
  unpublishSteps,
} from '../../network/ports/port-record.js';
import { portsIn } from '../start/container-record.js';
import { inTurn } from './in-turn.js';
import type { Life } from './life.js';

/** The ports as this process knows them; an ended container has none. */
export function publishedPorts(life: Life): PublishedPort[] {
  return life.state === 'stopped' ? [] : portsIn(life.record.current);
}

/** @throws as `Container.publish` */
export function publish(life: Life, wanted: WantedPort): Promise<PublishedPort> {
  return onPorts(life, 'publish()', async (ports) => {
    requireTarget(wanted, 'port', ports);
    const { task } = life.held;
    const slot = freeSlot(ports);
    if (slot === null) {
      const message = `publish a port of the container ${life.id}: it has all that it can have. Unpublish another one first`;
      throw new NacelleError(message, { code: 'ERR_PORTS' });
    }
    const { host } = await holdPort(wanted, { option: 'port', out: slot, isCarried: ports.isCarried }, (step) => task.call([step]));
    const port: HeldPort = { container: wanted.container, host, address: wanted.address.text, protocol: wanted.protocol, slot };
    // noted first: a port of which nobody knows would stay for as long as the container
    note(life, { ...ports, list: [...ports.list, port] });
    try {
      await task.call(publishSteps(ports, [port]));
      note(life, { ...ports, isMade: ports.isMade || hasRules(ports, port), list: [...ports.list, port] });
      await forgetConnectionsTo(port, { task, ports });
    } catch (error) {
      const failure = await withdraw(life, port).then(() => undefined, toError);
      throw withCleanupError(error, failure);
    }
    return told(port);
  });
}

/** @throws as `Container.unpublish` */
export function unpublish(life: Life, port: PublishedPort): Promise<void> {
  return onPorts(life, 'unpublish()', async (ports) => {
    const found = ports.list.find((one) => isSamePort(one, port));
    if (!found) throw invalidOption('port', `is none that the container ${life.id} has published`);
    await forgetConnectionsTo(found, { task: life.held.task, ports });
    await withdraw(life, found);
  });
}

/** Takes a port away that is noted, whether or not its rules are there: whoever published it may have died before. */
async function withdraw(life: Life, port: HeldPort): Promise<void> {
  const { ports } = life.record.current;
  if (ports === null) return;
  const { task } = life.held;
  await task.call(unpublishSteps(ports, port)).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
  await task.call([{ op: 'close', host: true, slot: port.slot }]);
  note(life, { ...ports, list: ports.list.filter(({ slot }) => slot !== port.slot) });
}

function onPorts<T>(life: Life, what: string, work: (ports: PortsRecord) => Promise<T>): Promise<T> {
  return inTurn(life, what, async () => {
    if (life.state === 'stopped') throw new NacelleError(`${what} of the container ${life.id}: it has ended`, { code: 'ERR_STATE' });
    return work(portsOf(life, what));
  });
}

function portsOf(life: Life, what: string): PortsRecord {
  const { ports } = life.record.current;
  if (ports === null)
    throw new UnsupportedError(
      what,
      'the container has no link to a network',
      "Give it the option network: 'bridge', or connect it to a network (network.connect).",
    );
  // the note of an older version doesn't tell
  if (ports.namespace === ownNetworkNamespace()) return { ...ports, isCarried: areCarried() };
  throw new UnsupportedError(what, "the container's ports are in another network namespace", 'Call it from a process there.');
}

function note(life: Life, ports: PortsRecord): void {
  life.note({ ...life.record.current, ports });
}
