import type { IgnoreRules, Matched } from '../language/ignore-file.js';
import type { LayerFile } from './layer-file.js';
import type { TreeEntry } from './tree-entry.js';

/** What a file has beside its bytes. */
export type FileFacts = Omit<TreeEntry, 'kind' | 'inode'> & Pick<LayerFile, 'xattrs'>;

/** What was found in a folder; `isNew`: nothing is where it goes. */
export interface Found extends Pick<LayerFile, 'xattrs'> {
  readonly entry: TreeEntry;
  readonly isNew?: boolean;
}

/** One more name of a file. */
export function nameOf({ path, mode, uid, gid, mtime }: LayerFile, target: string): LayerFile {
  return { path, type: 'hardlink', mode, uid, gid, mtime, size: 0, target, bytes: null };
}

export function childOf(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

export interface Walk {
  /** The path below what is copied. */
  readonly inside: string;
  /** It is left out itself, and copied for something in it. */
  readonly isOnTheWay?: boolean;
  readonly above?: Matched | undefined;
  readonly excluded?: Matched | undefined;
  /** What `--parents` copies; without it all. */
  readonly parents?: IgnoreRules | undefined;
  readonly included?: Matched | undefined;
}

/** Whether something is left out itself, whether something in it may not be, and how to go on below it. */
export interface Look {
  readonly isOut: boolean;
  readonly mayHold: boolean;
  readonly below: Walk;
}

/** Where nothing is left out, no path below what is copied is asked for. */
export const NOTHING_LEFT_OUT: Look = { isOut: false, mayHold: true, below: { inside: '' } };
