import { UnsupportedError } from '../../errors.js';
import type { ContainerFiles } from '../files/container-files.js';
import type { RootChanges } from '../result/root-changes.js';
import { needNamespaces } from './confined.js';
import type { Life } from './life.js';

/** @throws UnsupportedError */
export function filesOf(life: Life, what: string): ContainerFiles {
  if (life.files) return life.files;
  needNamespaces(life, what);
  throw new UnsupportedError(what, 'the container was made by Container.run', 'Make it by Container.create.');
}

/** @throws UnsupportedError */
export function changesOf(life: Life, what: string): RootChanges {
  if (life.held.changes) return life.held.changes;
  needNamespaces(life, what);
  throw new UnsupportedError(what, 'its root is a folder that is written to itself', 'Run it on the folder as an image: dir:PATH.');
}
