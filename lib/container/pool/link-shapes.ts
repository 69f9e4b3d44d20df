import { encodeSteps, slotCount } from '../../native/encode.js';
import type { EncodedSteps } from '../../native/task.js';
import { Templates } from '../../native/templates.js';
import { hostOf } from '../../network/address.js';
import type { Attachment } from '../../network/bridge/attach-network.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import { u32 } from '../../network/netlink.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type LinkSteps, type PooledPlan, planLinks } from '../plan/pool-plan.js';

/** How many are kept: of addresses that become longer. */
const MOST = 8;

/** By which a container that waits gets its links, and gives them up. */
export interface LinkCalls {
  readonly make: EncodedSteps;
  remove(): LinkSteps['remove'];
}

/** For what containers the links are. */
interface LinksOf {
  readonly plan: PooledPlan;
  readonly options: Pick<ParsedOptions, 'bandwidth'>;
}

/** What the links of the containers of one pool are made by. The bytes of those that differ in names, numbers and addresses alone are filled in. */
export class LinkShapes {
  /** How many slots they need. */
  readonly #known = new Templates<number>(MOST);

  /** @returns `null` as {@link planLinks} */
  callsOf({ plan, options }: LinksOf, networks: Pick<JoinedNetworks, 'attachments' | 'hasIpv6' | 'ways'>): LinkCalls | null {
    const planned = (): LinkSteps | null => planLinks(plan, networks, options);
    const { attachments, hasIpv6, ways } = networks;
    const key = [plan, options, hasIpv6, ...ways, ...attachments.map(announces)];
    const values = attachments.flatMap(valuesOf);
    const known = this.#known.fill(key, values) ?? this.#made(key, values, planned());
    if (known === null) return null;
    const make = { body: known.bytes, slots: known.of, steps: () => planned()?.make ?? [] };
    return { make, remove: () => planned()?.remove ?? [] };
  }

  #made(
    key: readonly unknown[],
    values: readonly Uint8Array[],
    steps: LinkSteps | null,
  ): { readonly bytes: Uint8Array; readonly of: number } | null {
    if (steps === null) return null;
    const made = { bytes: encodeSteps(steps.make), of: slotCount([steps.make], []) };
    this.#known.keep(key, { bytes: made.bytes, values }, made.of);
    return made;
  }
}

/** What a link has that no other has, and that stands as it is in the steps that make it, and in what is noted of it. */
export function valuesOf(attachment: Attachment): Uint8Array[] {
  const addresses = attachment.addresses.flatMap(({ bytes, text }) => [bytes, Buffer.from(hostOf(text))]);
  return [...numbersOf(attachment), attachment.mac, ...addresses];
}

function numbersOf(attachment: Attachment): Uint8Array[] {
  if ('port' in attachment) return [u32(attachment.port.index), Buffer.from(attachment.port.name)];
  return 'child' in attachment ? [u32(attachment.child.group)] : [];
}

/** What else the steps follow from that may change while the network is there. */
export function announces(attachment: Attachment): boolean {
  return 'announces' in attachment && attachment.announces;
}
