import { freeze, lift, thaw } from '../../cgroup/freezer.js';
import { needGroup } from './confined.js';
import type { Life } from './life.js';
import { tell } from './tell.js';

export async function pause(life: Life): Promise<void> {
  life.expect('running', 'pause');
  needGroup(life, 'pause()');
  life.isPausing = true;
  try {
    // a process that joins would be frozen half way
    await Promise.allSettled(life.joining);
    await freeze(`the container ${life.id}`, life.record.current.group.paths);
    if (life.state === 'restarting') {
      // its next run has begun meanwhile, or is about to
      lift(`the container ${life.id}`, life.record.current.group.paths);
      life.expect('running', 'pause');
    }
    if (life.state === 'running') life.state = 'paused';
    tell(life, { type: 'pause' });
  } finally {
    life.isPausing = false;
  }
}

export async function resume(life: Life): Promise<void> {
  life.expect('paused', 'resume');
  await thaw(`the container ${life.id}`, life.record.current.group.paths);
  if (life.state === 'paused') life.state = 'running';
  tell(life, { type: 'unpause' });
}
