import { Deferred } from '../../native/deferred.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { Parts } from '../start/launch.js';
import { launchIsolated } from '../start/launch-isolated.js';
import { besideMadeAhead } from './beside-made-ahead.js';
import { joinLater } from './join-later.js';
import { launchPooled, letGo } from './launch-pooled.js';
import { parkedAhead } from './parked-ahead.js';
import type { ParkedShape } from './parked-shape.js';

/** Makes the container of a run: one that is parked, or else one of its own. @throws as `Container.run` */
export function launchRun<E extends Encoding>(program: Program<E>, options: ParsedOptions): Promise<Parts<E>> {
  return besideMadeAhead(() => launchNoted(program, options));
}

async function launchNoted<E extends Encoding>(program: Program<E>, options: ParsedOptions): Promise<Parts<E>> {
  const shape = parkedAhead.shapeOf(options);
  if (shape === null) return launchIsolated(program, options, { park: false });
  shape.began();
  try {
    const parts = await launchOfShape(program, options, shape);
    shape.started(parts.held.task);
    return parts;
  } catch (error) {
    shape.failed();
    throw error;
  }
}

async function launchOfShape<E extends Encoding>(program: Program<E>, options: ParsedOptions, shape: ParkedShape): Promise<Parts<E>> {
  const parts = await launchWaiting(program, options, shape);
  return parts ?? launchIsolated(program, options, { park: false, prewarms: !shape.isServed });
}

/** `null`: none waits. */
async function launchWaiting<E extends Encoding>(
  program: Program<E>,
  options: ParsedOptions,
  shape: ParkedShape,
): Promise<Parts<E> | null> {
  const launched = new Deferred<void>();
  shape.launching(launched.promise);
  try {
    const waiting = await unlessAborted(options.process.cancelSignal, () => shape.take(options), letGo);
    const container = waiting === null ? null : await joinLater(waiting);
    return container && (await launchPooled(program, container, () => shape.joinAhead()));
  } finally {
    launched.resolve();
  }
}
