import { noUpperInMemory, requireMarks, upperFitsInMemory } from '../../host/upper-place.js';
import type { Shim } from '../../native/shim.js';
import { uppersFolder } from '../../store/store-root.js';
import type { ParsedRoot } from '../options/container-options.js';

/**
 * The folder for what a container writes to its image, which is made and removed with the container; `null`: it is kept in memory.
 *
 * @throws UnsupportedError where neither can be, or memory was asked for and it can't be there
 */
export async function upperOnDisk(
  { upper, upperSize }: Extract<ParsedRoot, { type: 'image' }>,
  { id, shim }: { readonly id: string; readonly shim: Shim },
): Promise<string | null> {
  if (upper !== 'disk') {
    if (await upperFitsInMemory(shim)) return null;
    if (upper === 'tmpfs') throw noUpperInMemory("upper: 'tmpfs'");
    if (upperSize !== null) throw noUpperInMemory('upperSize');
  }
  const folder = await uppersFolder();
  await requireMarks(folder, shim);
  return `${folder}/${id}`;
}
