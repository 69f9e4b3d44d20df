import { randomBytes, randomInt } from 'node:crypto';
import { type Sample, Template } from '../../native/template.js';
import { describe } from '../address.js';
import { FIRST_OWN_NUMBER } from '../link-numbers.js';
import { u32 } from '../netlink.js';
import { type Batch, encodeBatch } from '../nftables/nfnetlink.js';
import type { Table } from '../nftables/table.js';
import { linkLocalBytes, type Port, portRequests } from './port-rules.js';

interface Change {
  readonly added: readonly Port[];
  readonly removed: readonly Port[];
}

interface Known {
  readonly names: readonly string[];
  readonly messages: Template;
}

/** More shapes than containers with one and two subnets have, which come and go one by one or four at a time. */
const MOST_KNOWN = 32;

/** What is sent for ports that come and go: as {@link portRequests} has it, but that the bytes of a change are made once for all that differ in values alone. */
export class PortBatches {
  readonly #table: Table;
  readonly #known = new Map<string, Known>();

  constructor(table: Table) {
    this.#table = table;
  }

  of(change: Change): Batch {
    const shape = shapeOf(change);
    const known = this.#known.get(shape);
    if (known !== undefined) return { names: known.names, messages: known.messages.fill(valuesOf(change)) };
    const batch = this.#encode(change);
    if (this.#known.size >= MOST_KNOWN) return batch;
    const sample = (one: Change): Sample => ({ bytes: this.#encode(one).messages, values: valuesOf(one) });
    const messages = Template.of(sample(changeLike(change)), sample(changeLike(change)));
    if (messages !== null) this.#known.set(shape, { names: batch.names, messages });
    return batch;
  }

  #encode(change: Change): Batch {
    return encodeBatch(portRequests(this.#table, change));
  }
}

function shapeOf({ added, removed }: Change): string {
  const familiesOf = ({ addresses }: Port): string => `(${addresses.map(({ family }) => family).join(' ')})`;
  return [removed, added].map((ports) => ports.map(familiesOf).join('')).join('>');
}

function valuesOf({ added, removed }: Change): Uint8Array[] {
  return [...removed, ...added].flatMap(({ index, mac, addresses }) => [
    u32(index),
    mac,
    linkLocalBytes(mac),
    ...addresses.map(({ bytes }) => bytes),
  ]);
}

/** The same of ports that are nobody's. */
function changeLike({ added, removed }: Change): Change {
  const portLike = ({ addresses }: Port): Port => ({
    index: randomInt(FIRST_OWN_NUMBER, 2 ** 31 - 1),
    mac: randomBytes(6),
    addresses: addresses.map(({ bytes }) => describe(randomBytes(bytes.length))),
  });
  return { added: added.map(portLike), removed: removed.map(portLike) };
}
