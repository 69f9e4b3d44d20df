import { CLONE, SIGKILL } from '../../plan/constants.js';
import { NONE, type Plan, planOf, Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { keep, kept } from '../live/kept-steps.js';
import { awaitPasta, closeLoopback, startPasta, stopPasta } from '../pasta/pasta-plan.js';

const LEFT = 0;

/**
 * Makes a network namespace with a process in it, which is there as long as the shim has a client. It forwards packets from its beginning, for it has nothing
 * but bridges of containers, and takes no routes from them. Its descriptor stays open until the undo is over, so that no other namespace has its number
 * before. Pure.
 *
 * @param hasIpv6 the kernel has it
 * @param pasta the path of the program that connects it with what this machine reaches; `null`: nothing leads out
 */
export function holderPlan(hasIpv6: boolean, pasta: string | null): Plan {
  const slots = new Slots();
  const [ns, said] = [slots.take(), slots.take()];
  const set = (value: string, paths: readonly string[]): Step => ({ op: 'sysctls_in', host: true, ns, paths, value });
  const steps: Step[] = [
    { op: 'parent_death_signal', signal: SIGKILL },
    { op: 'link_up', name: 'lo' },
    { op: 'open_namespace', host: true, out: ns, type: 'net' },
    set('1', ['ipv4/ip_forward', ...(hasIpv6 ? ['ipv6/conf/all/forwarding'] : [])]),
    ...(hasIpv6 ? [set('0', ['ipv6/conf/all/accept_ra', 'ipv6/conf/default/accept_ra'])] : []),
    ...(pasta === null ? [] : [...closeLoopback(ns, slots.take()), ...startPasta(pasta, ns, said), ...awaitPasta(pasta, said)]),
    { op: 'pause' },
  ];
  return planOf({ stages: [{ flags: CLONE.net, steps }], withClients: true, undo: [...stopPasta(pasta), kept(LEFT, [])] });
}

/** What the end of the namespace has to remove: the folders that tell of its networks. */
export function keepLeft(folders: readonly string[]): Step {
  return keep(
    LEFT,
    folders.map((path) => ({ op: 'remove_tree', host: true, at: NONE, path })),
  );
}
