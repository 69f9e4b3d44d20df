import type { Slot, Step } from '../../plan/steps.js';
import { deleteLink, newIfb } from '../rtnetlink.js';
import { request } from '../veth-plan.js';
import { bucketFor, type ParsedBandwidth } from './bandwidth.js';
import { newIngress, newTokenBucket, redirectIngress, removeIngress, removeTokenBucket } from './tc-requests.js';

/** The end of a container's link that this machine has. Its number is its link group too, in which there is nothing else. */
export interface LimitedPort {
  readonly name: string;
  readonly index: number;
}

/**
 * Requests that limit a container's link at this machine's end, where nobody inside can take the limit away. What this end sends is what the
 * container receives: it waits here. Only what a link sends can wait, so what comes from the container is led through a link that sends all
 * it gets back to where it came from (an ifb). That one is in the link group of the port. Pure.
 *
 * @param socket in the network namespace with the port
 * @param port must be there, and up
 */
export function limitSteps(socket: Slot, port: LimitedPort, mtu: number, limits: ParsedBandwidth): Step[] {
  return changeSteps(socket, port, mtu, { before: NO_LIMIT, after: limits });
}

/** As {@link limitSteps}, for a link that may have limits. Pure. */
export function changeSteps(
  socket: Slot,
  port: LimitedPort,
  mtu: number,
  { before, after }: { readonly before: ParsedBandwidth; readonly after: ParsedBandwidth },
): Step[] {
  return [
    ...receiveSteps(socket, port, { before: before.ingress, after: after.ingress }),
    ...sendSteps(socket, port, mtu, { before: before.egress, after: after.egress }),
  ];
}

interface Change {
  readonly before: number | null;
  readonly after: number | null;
}

/** What this end sends is what the container receives. */
function receiveSteps(socket: Slot, port: LimitedPort, { before, after }: Change): Step[] {
  if (after === null) {
    return before === null ? [] : [request(socket, `limit what ${port.name} sends no more`, removeTokenBucket(port.index))];
  }
  return [bucket(socket, port, `limit what ${port.name} sends to ${after} bytes a second (sch_tbf)`, { before, after })];
}

function sendSteps(socket: Slot, port: LimitedPort, mtu: number, { before, after }: Change): Step[] {
  const ifb = ifbOf(port);
  if (after === null) {
    if (before === null) return [];
    return [
      // first: what is led to a link that is gone is lost
      request(socket, `limit what ${port.name} receives no more`, removeIngress(port.index)),
      request(socket, `remove ${ifb.name}`, deleteLink(ifb.index)),
    ];
  }
  const limit = bucket(socket, ifb, `limit what ${port.name} receives to ${after} bytes a second (sch_tbf)`, { before, after });
  if (before !== null) return [limit];
  return [
    request(
      socket,
      `make ${ifb.name}, through which goes what ${port.name} receives (ifb)`,
      newIfb({ ...ifb, group: port.index, mtu, up: true }),
    ),
    limit,
    request(socket, `look at what ${port.name} receives (sch_ingress)`, newIngress(port.index)),
    request(socket, `lead what ${port.name} receives to ${ifb.name} (cls_u32, act_mirred)`, redirectIngress(port.index, ifb.index)),
  ];
}

function bucket(
  socket: Slot,
  { index }: LimitedPort,
  what: string,
  { before, after }: { readonly before: number | null; readonly after: number },
): Step {
  return request(socket, what, newTokenBucket(index, bucketFor(after), { replaces: before !== null }));
}

const NO_LIMIT: ParsedBandwidth = { egress: null, ingress: null };

/** Requests that take all limits from a link, each by itself: one that is refused says that there is none. */
export function liftSteps(socket: Slot, port: LimitedPort): Step[] {
  const limited = { egress: 1, ingress: 1 };
  return changeSteps(socket, port, 0, { before: limited, after: NO_LIMIT });
}

/** Named after its port, so that nobody must look it up. Another port has that number as seldom as two have the same one. */
function ifbOf({ name, index }: LimitedPort): { name: string; index: number } {
  return { name: name.replace(/^nclv/, 'ncli'), index: index ^ 1 };
}
