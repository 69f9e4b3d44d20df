/** Where a terminal's descriptor is sent. */
export interface ConsoleRequest {
  /** `null`: it stays with the runtime, which shows it at its own terminal. */
  readonly socket: string | null;
  readonly columns: number;
  readonly rows: number;
  /** Newlines are shown as the program writes them, and not as CR NL. */
  readonly keepsNewlines: boolean;
}
