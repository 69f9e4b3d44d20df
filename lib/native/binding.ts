/** The connection of this environment to the shim; addon/socket.h says how it behaves. */
export interface ShimSocket {
  /** Of a shim that waits for the maps of its ids: lets it go on, and hears it once it serves. @throws an error with `errno` */
  goOn(): void;
  send(type: number, id: number, body: Uint8Array, fds: readonly number[]): number;
  ref(): void;
  unref(): void;
  close(): void;
  /** The shim's name in the runtime directory. */
  readonly owner: string;
  readonly pid: number;
}

/** An eventfd(2) in the event loop, which it never keeps alive; see addon/event_counter.h. */
export interface EventCounter {
  readonly fd: number;
  close(): void;
}

/** Where processes of this user ask for something; see addon/caller_listener.h. */
export interface CallerListener {
  close(): void;
}

/** What changes of folders and of the mounts, asked without waiting; see addon/change_watch.h. */
export interface ChangeWatch {
  /** The folder's number, or -errno. */
  add(path: string): number;
  /** Since the last question: names in folders; '' is the folder itself, and a folder of -1 anything, the mounts too. */
  changes(): [folder: number, name: string][];
}

/** A pipe, or what else can be waited for, in the event loop; addon/terminal.h says how it behaves. */
export interface WatchedDescriptor {
  watch(reads: boolean, writes: boolean): void;
  read(bytes: Uint8Array): number;
  write(bytes: Uint8Array): number;
  ref(): void;
  unref(): void;
  close(): void;
}

/** The same of a pseudo-terminal's master. */
export interface NativeTerminal extends WatchedDescriptor {
  resize(columns: number, rows: number): number;
  endOfFile(): number;
}

/** What the addon exports. Natives return a number < 0 (-errno) when a system call failed. */
export interface Binding {
  /** Of the package that the addon was built with. */
  readonly version: string;
  readonly Socket: new (
    options: {
      shim?: string;
      runtimeDir?: string;
      detached?: string;
      folder?: string;
      mapped?: boolean;
      joined?: number;
      control?: number;
      owner?: string;
      connected?: number;
    },
    onMessage: (type: number, id: number, body: Buffer, fds: number[]) => void,
    onClose: () => void,
  ) => ShimSocket;
  readonly EventCounter: new (onEvents: (count: number) => void) => EventCounter;
  readonly CallerListener: new (path: string, onCaller: (fd: number, pid: number) => void) => CallerListener;
  /** socketpair(2), SOCK_SEQPACKET, close-on-exec. */
  socketPair(): [number, number] | number;
  readonly ChangeWatch: new () => ChangeWatch;
  readonly Terminal: new (fd: number, onReady: (mayRead: boolean, mayWrite: boolean) => void) => NativeTerminal;
  /** cfmakeraw(3): the settings before, for `restoreMode`. */
  enterRawMode(fd: number): Uint8Array | number;
  restoreMode(fd: number, settings: Uint8Array): number;
  /** pipe2(2), close-on-exec: [read end, write end]. */
  pipe(): [number, number] | number;
  /** Has the shim of this process started by another thread; see addon/shim_start.h. */
  startShim(shim: string, runtimeDir: string): void;
  /** Ends the shim of this process, whose connections were closed, and waits for its end. */
  endShim(): void;
  /** A copy of the shim's executable that nobody can change: a descriptor, or -errno. */
  copyShim(path: string): number;
  /** close(2), for descriptors that the addon made; see addon/descriptors.h. */
  closeDescriptor(fd: number): number;
  /** Something else closes the descriptor from now on. One that is neither released nor closed is closed with the environment. */
  releaseDescriptor(fd: number): void;
  /** dup(2), close-on-exec. */
  duplicateDescriptor(fd: number): number;
  /** fcntl(2), F_OFD_SETLK on the whole file: 0, or -EAGAIN when another open file has it. */
  tryLock(fd: number, exclusive: boolean): number;
  /** The text of each file, or -errno. */
  readFiles(paths: readonly string[]): (string | number)[];
  /** Whether at each path there is what was there; see addon/seen_files.h. */
  areAsSeen(paths: Uint8Array, seen: BigInt64Array): boolean;
  /**
   * Extended attributes of files in a folder, of at most `most` bytes in all: three values for each, the file's place in `names`, the attribute's name and
   * its value; or -errno. See addon/attributes.h.
   */
  fileAttributes(folder: string, names: readonly string[], most: number): Promise<(number | Buffer)[] | number>;
  /** What is in a folder below an open one: names, nine numbers for each and attributes, or -errno; see addon/tree_files.h. */
  listFolder(root: number, path: string, most: number): Promise<[Buffer, Float64Array, (number | Buffer)[] | number] | number>;
  /** Reads files below an open folder into `into`: null, or the place of the first that can't be read and why; see addon/tree_files.h. */
  readContents(root: number, paths: string, sizes: Float64Array, into: Uint8Array): Promise<[number, number] | null>;
  /** Whether the descriptor is a socket between Node and the shim; see addon/own_sockets.h. */
  isOwnSocket(fd: number): boolean;
  /** A stream socket connected to a unix(7) address, with the credentials of whoever listens there: see addon/local_stream.h. */
  connectLocal(address: string): { fd: number; pid: number; uid: number } | number;
  /** pidfd_open(2): a descriptor, or -errno. */
  openProcess(pid: number): number;
  /** pidfd_send_signal(2). 0 or -errno. */
  signalProcess(pidfd: number, signal: number): number;
  /** ioctl_ns(2): a descriptor. */
  namespaceIoctl(fd: number, request: number): number;
}
