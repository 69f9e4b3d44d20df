import { isTracing } from '../../native/trace.js';
import { tellEgressRefusals } from '../../network/egress/egress-refusal.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import type { Streams } from '../../process/streams/child-end.js';
import { tellDenials } from '../../security/denials/denial-event.js';
import { planPooledRun } from '../plan/pool-plan.js';
import { isTidiedLater } from '../plan/tidied-later.js';
import { recordOf } from '../start/container-record.js';
import { begunWith, insideOf, type Parts } from '../start/launch.js';
import type { ParkedContainer } from './parked-container.js';
import type { Planned, Rest } from './rest-shapes.js';

/**
 * Gives a container that waits its program, which then runs. A failure leaves nothing but the program's streams, which the caller closes.
 *
 * @param onSent hears that the plan is on its way: this process has little to do until the program runs
 * @throws as `Container.run`; the reason of `cancelSignal`
 */
export async function launchPooled<E extends Encoding>(
  program: Program<E>,
  container: ParkedContainer,
  onSent?: () => void,
): Promise<Parts<E>> {
  const { parked, networks, release } = container;
  const { cancelSignal } = container.options.process;
  try {
    const streams = await program.open({ isConfined: true });
    const { encoded, descriptors, of } = restOf(container, streams);
    if (networks !== null) {
      await unlessAborted(
        cancelSignal,
        () => networks.ready(),
        () => undefined,
      );
      networks.handOver();
    }
    // a timeline has to know the plan
    const starting = isTracing
      ? parked.beginning.goOn(encoded.plan(), descriptors, cancelSignal)
      : parked.beginning.goOnEncoded(encoded, descriptors, cancelSignal);
    onSent?.();
    const { record, task } = await begunWith(program, starting, () => recordOf(container.recorded(), of.rest));
    const { image, options } = container.recorded();
    tellDenials(task, options.onDenied);
    tellEgressRefusals(task, options.egress?.onDenied ?? null);
    const { descriptors: returned } = task.started;
    program.connect(returned.get(of.master));
    return {
      record,
      held: {
        program,
        task,
        slot: encoded.slots,
        image,
        inside: insideOf(record, returned.get(of.mountNamespace), returned.get(of.user)),
        insideSlots: null,
        keepsInside: false,
        changes: null,
        onDenied: options.onDenied,
        isTidiedLater: isTidiedLater(of, options),
        networks: new Map(),
        release,
      },
    };
  } catch (error) {
    // it is used once, whatever came of that
    await letGo(container);
    throw error;
  }
}

/** Undoes one that was taken for a run which will not be. What can't be undone stays in the journal, for the next reap. */
export async function letGo(container: ParkedContainer | null): Promise<void> {
  if (container === null) return;
  await Promise.allSettled([container.parked.beginning.close()]);
  container.release();
}

/** The rest of the plan with these streams, which is kept for the next ones like it. @throws what planning throws */
export function restOf({ options, plan, shapes, prepared, values, ground }: ParkedContainer, streams: Streams): Rest {
  const planned = (): Planned => {
    const own = prepared();
    return { plan: planPooledRun(plan, { streams, park: false, journal: [], ...own }), descriptors: own.slots.descriptors };
  };
  return shapes.restOf(options, { values, ground, streams, plan: planned });
}
