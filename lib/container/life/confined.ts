import { UnsupportedError } from '../../errors.js';
import type { Life } from './life.js';

/** Refuses what only a container of namespaces can do. @throws UnsupportedError */
export function needNamespaces(life: Life, what: string): void {
  if (life.record.current.options?.isolation !== 'landlock') return;
  throw new UnsupportedError(what, "the container has isolation: 'landlock', and so neither namespaces nor a root of its own");
}

/** Refuses what needs the container's group, where none could be made. @throws UnsupportedError */
export function needGroup(life: Life, what: string): void {
  if (Object.keys(life.record.current.group.paths).length > 0) return;
  throw new UnsupportedError(what, 'the container has no group: none could be made where it was started');
}
