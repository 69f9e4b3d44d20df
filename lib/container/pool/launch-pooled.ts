import { joinParts } from '../../plan/plan.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import { tellDenials } from '../../security/denials/denial-event.js';
import { planPooledRun } from '../plan/pool-plan.js';
import { type LiveRecord, recordOf } from '../start/container-record.js';
import { factsOf, insideOf, type Parts } from '../start/launch.js';
import type { ParkedContainer } from './parked-containers.js';

/**
 * Gives a container that waits its program, which then runs. A failure leaves nothing but the program's streams, which the caller closes.
 *
 * @throws as `Container.run`; the reason of `cancelSignal`
 */
export async function launchPooled<E extends Encoding>(program: Program<E>, container: ParkedContainer): Promise<Parts<E>> {
  const { parked, prepared, plan, release } = container;
  const { cancelSignal } = prepared.options.process;
  try {
    const streams = await program.open({ isConfined: true });
    const planned = planPooledRun(plan, { streams, park: false, journal: [], ...prepared });
    const record: LiveRecord = { current: recordOf(prepared, joinParts(planned, { waits: false })) };
    const task = await program.sent(factsOf(record), parked.beginning.goOn(planned.rest, prepared.slots.descriptors, cancelSignal));
    tellDenials(task, prepared.options.onDenied);
    const { descriptors } = task.started;
    program.connect(descriptors.get(planned.master));
    return {
      record,
      held: {
        program,
        task,
        slot: prepared.slots.take(),
        image: prepared.image,
        inside: insideOf(record, descriptors.get(planned.mountNamespace), descriptors.get(planned.user)),
        insideSlots: null,
        keepsInside: false,
        changes: null,
        onDenied: prepared.options.onDenied,
        networks: new Map(),
        release,
      },
    };
  } catch (error) {
    // the container is used once, whatever came of that
    await Promise.allSettled([parked.beginning.close()]);
    release();
    throw error;
  }
}
