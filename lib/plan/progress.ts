/** What `onProgress` is told. */
export interface ProgressEvent {
  readonly type: 'layer';
  /** `exists`: unpacked earlier, nothing is read. */
  readonly status: 'unpacking' | 'done' | 'exists';
  /** Of the layer's blob. */
  readonly digest: string;
  /** Bytes of the blob read so far, and its size. */
  readonly bytes: number;
  readonly total: number;
}

export type ProgressListener = (event: ProgressEvent) => void;
