import { NacelleError } from '../../errors.js';
import type { TaskStatus } from '../../native/task.js';
import type { ContainerHealth } from '../options/container-types.js';
import type { Life } from './life.js';

/** What the shim knows of the container's runs and health; of a container that is gone, what was seen of it here. */
export async function statusOf(life: Life): Promise<TaskStatus> {
  try {
    return await life.held.task.status();
  } catch (error) {
    if (error instanceof NacelleError && error.code === 'ERR_ENDED') return { restarts: life.restarts, health: null, startedAtMs: null };
    throw error;
  }
}

/** As docker's `State.Health`. Pure. */
export function healthFrom({ health }: TaskStatus): ContainerHealth | null {
  if (health === null) return null;
  const { status, failingStreak, results } = health;
  return {
    status,
    failingStreak,
    log: results.map(({ startedAtMs, endedAtMs, code, output }) => ({
      startedAt: new Date(startedAtMs),
      endedAt: new Date(endedAtMs),
      exitCode: code,
      output,
    })),
  };
}

/**
 * Resolves when the container is healthy. `see` hears of what the last check said.
 *
 * @throws NacelleError `ERR_STATE` where nobody keeps watch on its health
 */
export async function untilHealthy(life: Life, signal: AbortSignal, see: (last: string) => void): Promise<void> {
  if (!life.record.current.isChecked) {
    throw new NacelleError(`wait for the health of the container ${life.id}: it has no healthcheck`, { code: 'ERR_STATE' });
  }
  let wake = (): void => undefined;
  const nothing = (): void => undefined;
  const unwatch = life.held.task.watch({ began: nothing, died: nothing, ran: nothing, health: () => wake() });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const health = (await statusOf(life)).health;
      if (health?.status === 'healthy') return;
      const last = health?.results.at(-1);
      see(`it is ${health?.status ?? 'gone'}${last ? `; the last check exited with ${last.code} ${last.output.trim()}` : ''}`);
      await changed;
    }
  } finally {
    unwatch();
  }
}
