/**
 * 'created': everything is set up, the program waits just before execve. 'restarting': a run has ended, and the next one waits for its time.
 */
export type State = 'created' | 'running' | 'paused' | 'restarting' | 'stopped';

/** What containers `Container.list()` gives: those that have all of this. */
export interface ContainerFilter {
  labels?: Record<string, string> | undefined;
  name?: string | undefined;
  state?: State | 'unknown' | undefined;
  /** The name of a network that it is on. */
  network?: string | undefined;
}

/** What `Container.prune()` has removed. */
export interface ContainerPruneReport {
  /** Their ids. */
  readonly containers: readonly string[];
}

/** A container of this process, or a detached one, as `Container.list()` gives it. */
export interface ContainerInfo {
  readonly id: string;
  readonly name: string | null;
  /** 0 after the end. */
  readonly pid: number;
  /** 'unknown': a detached container whose shim does not answer. */
  readonly state: State | 'unknown';
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The names of the networks that it is on, by links of its own or of the container whose network it shares. */
  readonly networks: readonly string[];
  readonly createdAt: Date;
}
