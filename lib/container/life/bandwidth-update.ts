import { invalidOption, NacelleError, toError, withCleanupError } from '../../errors.js';
import { KEYS, keep } from '../../network/live/kept-steps.js';
import type { LinkRecord, LinksRecord } from '../../network/live/links-record.js';
import type { ParsedBandwidth } from '../../network/traffic/bandwidth.js';
import { changeSteps, liftSteps, limitSteps } from '../../network/traffic/limit-steps.js';
import { recordedIfb } from '../../network/traffic/recorded-ifb.js';
import { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { firstSlotOf, limitAll, outsideSteps } from '../plan/changed-links.js';
import type { Life } from './life.js';
import { linksOf, ownerOf } from './networks.js';
import { requireAlive } from './require-alive.js';

const UPDATE = 'update()';
const NO_LIMIT: ParsedBandwidth = { egress: null, ingress: null };

/**
 * Has all links of a container keep other rates than before. What waits for a rate that changes is not lost.
 *
 * @returns the rates before
 * @throws as `Container.update`
 */
export async function updateBandwidth(life: Life, wanted: ParsedBandwidth | null): Promise<ParsedBandwidth | null> {
  const before = life.record.current.options?.bandwidth ?? null;
  const noted = life.record.current.links;
  if (wanted === null && (before === null || noted?.list.length === 0)) return noteRates(life, before, null, noted);
  requireAlive(life, UPDATE);
  const links = linksOf(life, UPDATE);
  if (wanted !== null) requireLimitable(links);
  const change = { before: before ?? NO_LIMIT, after: wanted ?? NO_LIMIT };
  const limited = links.list.map((link) => (change.before.egress === null && change.after.egress !== null ? withIfb(life, link) : link));
  const after: LinksRecord = { ...links, list: limited };
  // what the end has to remove is known before there is anything
  life.note({ ...life.record.current, links: after });
  const ports = portsOf(after);
  try {
    await life.held.task.call([
      ...after.list.map(({ place, limit, leave }) => keep(KEYS.leave(place), [...limit, ...leave])),
      ...outsideSteps((outside) => ports.flatMap(({ port, mtu }) => changeSteps(outside, port, mtu, change))),
      keep(KEYS.limits, wanted === null ? [] : limitAll(after.list, wanted)),
    ]);
  } catch (error) {
    const failure = await putBack(life, ports, before).then(() => undefined, toError);
    throw withCleanupError(error, life.hasEnded ? undefined : failure);
  }
  return noteRates(life, before, wanted, after);
}

function noteRates(
  life: Life,
  before: ParsedBandwidth | null,
  bandwidth: ParsedBandwidth | null,
  links: LinksRecord | null,
): ParsedBandwidth | null {
  const { current } = life.record;
  life.note({ ...current, links, options: current.options === null ? null : { ...current.options, bandwidth } });
  return before;
}

type Port = Pick<LinkRecord, 'mtu'> & { readonly port: NonNullable<LinkRecord['port']> };

function portsOf({ list }: LinksRecord): Port[] {
  return list.flatMap(({ port, mtu }) => (port === null ? [] : [{ port, mtu }]));
}

/** A link was limited half: all limits go, and those before come again. */
async function putBack(life: Life, ports: readonly Port[], before: ParsedBandwidth | null): Promise<void> {
  const { task } = life.held;
  for (const { port, mtu } of ports) {
    for (const step of liftSteps(0, port)) {
      const lift = (outside: number): Step[] => (step.op === 'netlink' ? [{ ...step, socket: outside }] : []);
      // what is refused was not there: the links may be limited in part
      await task.call(outsideSteps(lift)).catch((error: unknown) => {
        if (!(error instanceof NacelleError)) throw error;
      });
    }
    if (before !== null) await task.call(outsideSteps((outside) => limitSteps(outside, port, mtu, before)));
  }
}

/** Its end removes the ifb too. */
function withIfb(life: Life, link: LinkRecord): LinkRecord {
  const { port, place, limit } = link;
  if (port === null || limit.length > 0) return link;
  const part = recordedIfb(port, { id: life.id, owner: ownerOf(life), place, keepsBridge: false });
  const { undo = [] } = part.steps?.(new Slots(firstSlotOf(place) + 3)) ?? {};
  return { ...link, limit: undo };
}

function requireLimitable({ list }: LinksRecord): void {
  if (list.length === 0) throw invalidOption('bandwidth', 'needs links of its own, and the container is on no network');
  const child = list.find(({ port }) => port === null);
  if (!child) return;
  throw invalidOption(
    'bandwidth',
    `the container is on the network ${child.network}: what it sends there goes through no link of this machine's own`,
  );
}
