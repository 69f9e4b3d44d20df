/**
 * What `container.waitFor()` waits for: a line of the output, a command that succeeds, the container's own healthcheck, somebody who listens on
 * a port, or an answer by HTTP.
 */
export type WaitCondition =
  | { log: string | RegExp }
  | { command: readonly string[] }
  | { healthy: true }
  | {
      port: number;
      /** As that of {@link PortOptions}. */
      host?: string | undefined;
    }
  | {
      /** What is asked for: a path, with its query where it has one, '/health?full=1'. */
      http: string;
      port: number;
      /** As that of {@link PortOptions}. */
      host?: string | undefined;
      /** Which answer will do, from 200 to 599. Default 200: a redirect is not followed. */
      status?: number | undefined;
    };

/** For `container.connect()`. */
export interface PortOptions {
  /** An IP address as the container sees it. Default '127.0.0.1', and '::1' where that refuses. */
  host?: string | undefined;
  /** ms. Default: as long as the kernel tries, some two minutes where nobody answers (tcp(7), tcp_syn_retries). */
  timeout?: number | undefined;
  cancelSignal?: AbortSignal | undefined;
}

export interface WaitOptions {
  /** ms. Default 60,000. */
  timeout?: number | undefined;
  cancelSignal?: AbortSignal | undefined;
}
