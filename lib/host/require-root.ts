import { geteuid } from 'node:process';
import { UnsupportedError } from '../errors.js';

/** @throws UnsupportedError for a user that can't make containers. To be called before anything is made. */
export function requireRoot(): void {
  if (geteuid?.() === 0) return;
  throw new UnsupportedError(
    'a container without root',
    'rootless containers come in a later version',
    'Run it as root, with sudo for example.',
  );
}
