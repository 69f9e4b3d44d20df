/** `park`: the program waits just before execve, and does not run at once. */
export interface LaunchOptions {
  readonly park: boolean;
  /** The first part of the next one is made ahead, and this one takes such a part. Default: true. */
  readonly prewarms?: boolean;
}
