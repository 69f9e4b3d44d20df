import type { Readable, Writable } from 'node:stream';
import type { Streams } from './child-end.js';
import type { Collector } from './collect.js';
import type { Terminal } from './terminal.js';

export interface StreamHooks {
  /** More than `maxBuffer` was written: the tree is to be killed with cause 'output'. This is called at most once for each stream. */
  onOverflow(stream: 'stdout' | 'stderr'): void;
  /** The caller's input, or a place that output goes to, failed. */
  onError(error: Error): void;
}

/** What was collected; `null` for what goes elsewhere. */
export interface Collected {
  readonly stdout: Collector | null;
  readonly stderr: Collector | null;
}

/**
 * The three standard streams of one program, from its options to what was collected: `open` gives the program's ends; `sent` when the shim
 * has them; `begin` when the program starts; `settle` when its tree is gone; `close` always, also after a failure at any of these.
 */
export interface ProgramStreams {
  /** `null` where stdin comes from elsewhere. */
  readonly stdin: Writable | null;
  /** What the program writes, for the caller. `null` where it goes elsewhere. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Where the streams are a terminal: our side of it. */
  readonly terminal: Terminal | null;
  /** New streams that give the output from its beginning on. The list is empty where the output goes elsewhere. */
  copies(from: 'stdout' | 'stderr' | 'all'): Readable[];
  /** What was collected until now. */
  readonly collected: Collected;
  open(options: { isConfined: boolean }): Promise<Streams>;
  sent(): void;
  begin(hooks: StreamHooks): void;
  settle(): Promise<Collected>;
  /** To be called when the program will not run: what the caller reads comes to its end. */
  end(): void;
  /** `ref` and `unref` say whether the streams keep the event loop alive. */
  ref(): void;
  unref(): void;
  close(): void;
}
