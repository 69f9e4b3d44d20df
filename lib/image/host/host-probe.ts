/** What is at a path; a link there is not followed. */
export interface HostEntry {
  /** `other`: a device, a socket or a named pipe. */
  readonly kind: 'folder' | 'link' | 'file' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file. */
  readonly size: number;
}

/** The questions that the layout asks the machine. Nothing is where this process may not look. */
export interface HostProbe {
  /** As lstat(2); `null` when nothing is there. */
  entry(path: string): HostEntry | null;
  /** As realpath(3); `null` when nothing is there. */
  real(path: string): string | null;
  /** As readlink(2); `null` when no link is there. */
  link(path: string): string | null;
  /** Names in a folder; none when there is no folder. */
  list(path: string): readonly string[];
  /** Whether a folder has nothing in it; false where this process may not know. */
  isEmpty(path: string): boolean;
  /** Whether this process may read the file. */
  mayRead(path: string): boolean;
  /** Whether this process may reach what is in the folder. */
  maySearch(path: string): boolean;
}
