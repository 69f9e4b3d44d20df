import { privilege } from '../../host/privilege.js';
import type { Image } from '../../image/image.js';
import { idInside } from '../../plan/user-maps.js';
import { EMPTY_TREE, type FileTree, FolderTree } from '../files/file-tree.js';
import { openImageRoot } from '../files/image-root.js';
import { keepAttributes } from '../files/kept-attributes.js';
import type { TreeIds } from '../files/tree-entry.js';

/**
 * Does something with the files of an image, which are mounted meanwhile, to be read alone.
 *
 * @param image `null`: no files at all
 */
export async function withFiles<T>(image: Image | null, signal: AbortSignal | undefined, work: (tree: FileTree) => Promise<T>): Promise<T> {
  if (image === null) return work(EMPTY_TREE);
  const root = await openImageRoot(image, { readOnly: true, signal });
  try {
    const ids = ownIds();
    const tree = await FolderTree.open(root.path, { ids, attributes: keepAttributes((id) => ids?.uid(id) ?? id) });
    try {
      return await work(tree);
    } finally {
      await tree.close();
    }
  } finally {
    await root.close();
  }
}

/** Owners as they are inside: on the disk of an ordinary user they are that user's subordinate ids. An id that is none of these is root's. */
function ownIds(): TreeIds | undefined {
  const own = privilege();
  if (own.kind === 'root') return undefined;
  return { uid: (id) => idInside(own.uid, id) ?? 0, gid: (id) => idInside(own.gid, id) ?? 0 };
}
