import { UnsupportedError } from '../../errors.js';
import type { ContainerFiles } from '../files/container-files.js';
import type { RootChanges } from '../result/root-changes.js';
import type { Life } from './life.js';

/** @throws UnsupportedError */
export function filesOf({ files }: Life, what: string): ContainerFiles {
  if (files) return files;
  throw new UnsupportedError(what, 'the container was made by Container.run', 'Make it by Container.create.');
}

/** @throws UnsupportedError */
export function changesOf({ held }: Life, what: string): RootChanges {
  if (held.changes) return held.changes;
  throw new UnsupportedError(what, 'its root is a folder that is written to itself', 'Run it on the folder as an image: dir:PATH.');
}
