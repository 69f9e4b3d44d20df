/** A piece of what a container's program wrote. */
export interface LogRecord {
  stream: 'stdout' | 'stderr';
  at: Date;
  /** Text with the encoding 'utf8', else bytes. A piece may end anywhere in a line. */
  data: string | Uint8Array;
  /** Bytes before this piece that could not be kept, as when the disk was full. */
  lost: number;
}

export interface LogOptions {
  /** Leaves out what is older. */
  since?: Date | undefined;
  /** Only so many lines at the end, of what is there now. */
  tail?: number | undefined;
  /** Goes on until the container's end. Default false. */
  follow?: boolean | undefined;
  /** Default both. */
  stream?: 'stdout' | 'stderr' | undefined;
}
