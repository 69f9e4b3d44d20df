import { execFileSync } from 'node:child_process';
import { busyboxRootfs } from '../fixtures/images.js';
import { layoutOf } from '../fixtures/tiny-image.js';
import { emptyFolder } from './outside.js';

/** An image of these layers, each a tar; `config` is how the image wants to be run. */
export function imageOf(layers: readonly Buffer[], config: object = {}): string {
  return `oci:${layoutOf({ app: layers }, emptyFolder(), { config })}:app`;
}

/** The small image as a layer below others. */
export async function busyboxLayer(): Promise<Buffer> {
  return execFileSync('tar', ['-c', '-C', await busyboxRootfs(), '.'], { maxBuffer: 1 << 28 });
}
