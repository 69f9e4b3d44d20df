import { type Address, type Cidr, describe } from '../../network/address.js';
import { subnetOf } from '../../network/ipam/subnet.js';
import { deleteSourceRule, newSourceRule, newTableRoute } from '../../network/rtnetlink-routes.js';
import { request } from '../../network/veth-plan.js';
import type { Slot, Step } from '../../plan/steps.js';

// Of a container on several networks: what it sends from its address in one of them leaves by that network's link, and so do answers, whose way would
// else be that of the other end's address: by the default route, or by the link in whose network that address happens to be. There its packet would
// be nobody's, and a container whose links check the way back (rp_filter = 1) would not take the question either. Pure.

/** A link by which a container may send. */
export interface SourceLink {
  /** Its number, which is also that of the table with its routes (ip-route(8)): none of the kernel's own has it. */
  readonly index: number;
  readonly interface: string;
  readonly addresses: readonly Cidr[];
  readonly gateways: readonly Address[];
}

/** An address of a container with the way of what is sent from it. */
export interface SourceRoute {
  readonly index: number;
  readonly interface: string;
  readonly address: Cidr;
  readonly gateway: Address;
}

/** None where a container has only one link: there is but one way. */
export function sourceRoutes(links: readonly SourceLink[]): SourceRoute[] {
  if (links.length < 2) return [];
  return links.flatMap(({ addresses, gateways, ...link }) =>
    addresses.flatMap((address) =>
      gateways.filter(({ family }) => family === address.family).map((gateway) => ({ ...link, address, gateway })),
    ),
  );
}

/** Those of the first list that the second one has not. */
export function sourcesWithout(routes: readonly SourceRoute[], others: readonly SourceRoute[]): SourceRoute[] {
  const isSame = (one: SourceRoute, other: SourceRoute): boolean => one.index === other.index && one.address.text === other.address.text;
  return routes.filter((one) => !others.some((other) => isSame(one, other)));
}

/** Steps with a socket inside, where the links are up. */
export function sourceSteps(routes: readonly SourceRoute[], inside: Slot): Step[] {
  return routes.flatMap(({ index, interface: name, address, gateway }) => {
    const subnet = subnetOf(address);
    const from = hostOf(address);
    return [
      request(inside, `add the route to ${subnet.text} to the table of ${name}`, newTableRoute(index, { to: subnet })),
      request(inside, `add the route by ${gateway.text} to the table of ${name}`, newTableRoute(index, { gateway })),
      request(inside, `have what is sent from ${from.text} leave by ${name}`, newSourceRule(index, from)),
    ];
  });
}

/** Steps that take the rules back: routes go with their link, and are nobody's without a rule. */
export function endSources(routes: readonly SourceRoute[], inside: Slot): Step[] {
  return routes.map(({ index, interface: name, address }) => {
    const from = hostOf(address);
    return request(inside, `have what is sent from ${from.text} leave by ${name} no more`, deleteSourceRule(index, from));
  });
}

function hostOf({ bytes }: Cidr): Address {
  return describe(bytes);
}
