import { doAll, NacelleError } from '../../errors.js';
import { detachEnded } from '../../network/cni/attachments.js';
import type { Life } from './life.js';
import { kill } from './stop.js';

/** Once for all who ask. @throws NacelleError `ERR_STATE` while it runs, without `force` */
export async function remove(life: Life, { force }: { force: boolean }): Promise<void> {
  if (life.state !== 'created' && life.state !== 'stopped' && !force) {
    throw new NacelleError(`remove the container ${life.id}: it is ${life.state}. Stop it, or use force`, { code: 'ERR_STATE' });
  }
  life.connections.close();
  life.removed ??= life.isDetached ? removeDetached(life) : removeOwn(life);
  await life.removed;
}

async function removeDetached(life: Life): Promise<void> {
  const { task } = life.held;
  try {
    await kill(life);
    // a task that is closed is not started again, whoever asks for that now
    await task.close();
    await detachEnded(life.id);
  } finally {
    await life.close();
  }
}

async function removeOwn(life: Life): Promise<void> {
  const { task, program, changes, release } = life.held;
  const ended = life.end();
  // the caller waits for the removal, so Node stays alive for it, also after `unref`
  task.ref();
  const end = async (): Promise<void> => {
    await kill(life);
    // so that it is not started again, whoever asks for that now; how it ends is told by `ended`
    task.close().catch(() => undefined);
    await ended.catch((error: unknown) => {
      // `start` or `wait` has thrown this failure already; only what could not be cleaned up is new here
      const left = error instanceof NacelleError ? error.cleanupError : undefined;
      if (left) throw left;
    });
  };
  await doAll([
    end,
    () => program.streams.close(),
    () => life.files?.close(),
    () => changes?.close(),
    () => changes && release(),
    () => detachEnded(life.id),
  ]);
  life.own?.tellAtEnd({ type: 'destroy' });
}
