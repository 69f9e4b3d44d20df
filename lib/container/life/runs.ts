import * as z from 'zod';
import { NacelleError, UnsupportedError } from '../../errors.js';
import { delay } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { killOf } from '../events/happenings.js';
import { insideOf } from '../start/launch.js';
import { needNamespaces } from './confined.js';
import type { Life } from './life.js';
import { resume } from './pause.js';
import { KILL_DELAY } from './stop.js';
import { tell } from './tell.js';

/** Made where they are needed: a first run has this module, and loads no zod. */
const restartOptions = () => z.strictObject({ timeout: delay.optional() });

/** Keeps up with a program that is started again, whoever asks for that. */
export function followRuns(life: Life): void {
  life.held.task.watch({
    began: () => {
      life.state = 'running';
    },
    died: () => {
      life.state = 'restarting';
      life.endRun();
    },
    ran: () => {
      life.state = 'running';
      life.restarts++;
      // without them the files of the run before are shown, whose mounts hold the same root
      enterRun(life).catch(() => undefined);
    },
    health: () => undefined,
  });
}

/** Takes the mounts of a new run in place of those of the run before. */
async function enterRun(life: Life): Promise<void> {
  const { task, insideSlots } = life.held;
  if (insideSlots === null) return;
  const { mountNamespace, user } = insideSlots;
  const { descriptors } = await task.call([], { returns: [mountNamespace, user] });
  await life.takeInside(insideOf(life.record, descriptors.get(mountNamespace), descriptors.get(user)));
}

/**
 * Ends the program's run and waits for the next one. A container that was not started is started.
 *
 * @throws as `Container.restart`
 */
export async function restart(life: Life, options: { timeout?: number | undefined }): Promise<void> {
  const { timeout = KILL_DELAY } = parseOptions(restartOptions(), options, 'options');
  const what = `restart the container ${life.id}`;
  if (life.state === 'stopped') throw new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE' });
  // a first run has its streams, whatever becomes of another
  if (life.state === 'created') return life.start();
  needNamespaces(life, 'restart()');
  if (!life.record.current.isRestartable) {
    throw new UnsupportedError(what, 'its streams are those of one run', "Make it with 'restart' or 'detach', and without 'tty'.");
  }
  // a paused program hears no signal, and its groups would be paused for the next run too
  if (life.state === 'paused') await resume(life);
  if (life.state === 'running') life.own?.tell(killOf(life.record.current.stopSignal));
  try {
    await life.held.task.again({ signal: life.record.current.stopSignal, killAfterMs: timeout });
  } catch (cause) {
    throw cause instanceof NacelleError && cause.code === 'ERR_ENDED'
      ? new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE', cause })
      : cause;
  }
  tell(life, { type: 'restart' });
}
