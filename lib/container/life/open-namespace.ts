import { NacelleError } from '../../errors.js';
import { Namespace } from '../../namespace/namespace.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { needNamespaces } from './confined.js';
import type { Life } from './life.js';

export async function openNamespace(life: Life, type: NamespaceType): Promise<Namespace> {
  needNamespaces(life, 'namespace()');
  const what = `open the ${type} namespace of the container ${life.id}`;
  if (life.state === 'stopped') throw new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE' });
  try {
    return await Namespace.ofTask(life.held.task, type, life.held.slot);
  } catch (cause) {
    const hasEnded = cause instanceof NacelleError && ['ERR_ENDED', 'ESRCH'].includes(cause.code);
    throw hasEnded ? new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE', cause }) : cause;
  }
}
