/** What `onProgress` is told. */
export interface ProgressEvent {
  readonly type: 'layer';
  /**
   * `downloading` … `downloaded`: the blob comes into the store, from a registry or an archive; `unpacking` … `done`; `uploading` …
   * `uploaded`; `exists`: nothing had to be done.
   */
  readonly status: 'downloading' | 'downloaded' | 'unpacking' | 'done' | 'uploading' | 'uploaded' | 'exists';
  /** The digest of the layer's blob. */
  readonly digest: string;
  /** Bytes of the blob so far, and its size. */
  readonly bytes: number;
  readonly total: number;
}

export type ProgressListener = (event: ProgressEvent) => void;
