import { NacelleError } from '../../errors.js';
import { newId } from '../../plan/id.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import { shortened, wordsOf } from '../events/words.js';
import { hasEnded, launchExec } from '../exec/launch-exec.js';
import type { ParsedExec } from '../options/exec-options.js';
import { needNamespaces } from './confined.js';
import type { Life } from './life.js';
import { noteRights } from './networks.js';

/** Runs one more program in a container. @throws as `Container.exec` */
export async function join<F extends Encoding>(
  life: Life,
  program: Program<F>,
  { command, options }: { readonly command: readonly string[]; readonly options: ParsedExec },
): Promise<Program<F>> {
  needNamespaces(life, 'exec()');
  if (life.state === 'stopped') throw hasEnded(life.id);
  life.expect('running', 'run a program in');
  if (life.isPausing) throw new NacelleError(`run a program in the container ${life.id}: it is being paused`, { code: 'ERR_STATE' });
  if (options.privileged) noteRights(life);
  const { firstProcess, joining, held } = life;
  const exec = { execId: newId(), command: shortened(command) };
  const words = life.isDetached ? wordsOf(exec) : null;
  const request = { id: exec.execId, command, options, record: life.record.current, firstProcess, onDenied: held.onDenied, words };
  const launched = launchExec<F>(program, request);
  joining.add(launched);
  try {
    const task = await launched;
    life.own?.tellExec(exec, task);
  } finally {
    joining.delete(launched);
  }
  return program;
}
