import { nextTick } from 'node:process';
import type { RawRefusal, Task } from '../../native/task.js';
import { describe } from '../address.js';

/** What a container with `egress` tried to reach and its list does not allow. */
export interface EgressRefusal {
  /**
   * The name: one that was asked for and does not exist for the container; one that was connected to; or, of TLS, the one in its ClientHello, which
   * was not that of the connection. `null` for a connection to an address without a name.
   */
  readonly host: string | null;
  /**
   * The address that was connected to, '10.0.0.1', or the first of those to which the name leads and no name may lead; for a name at a port that is
   * not allowed, the one that stands for the name in the container. `null` where only the name was asked for, or where what the client said first
   * was refused.
   */
  readonly address: string | null;
  /** The port that was connected to; `null` where only the name was asked for. */
  readonly port: number | null;
  /** When the container's supervisor heard of it. */
  readonly at: Date;
  /** How many before this one were left out: more than 256 at once, and 128 a second, are not told. */
  readonly lost: number;
}

/** Called for each refusal, in their order. An error of the listener's is an uncaught exception, which stops nothing here. */
export type EgressListener = (event: EgressRefusal) => void;

export function tellEgressRefusals(task: Pick<Task, 'hearRefusals'>, listener: EgressListener | null): void {
  task.hearRefusals(listener === null ? null : (refusal) => nextTick(() => listener(egressRefusal(refusal))));
}

/** Pure. */
export function egressRefusal({ host, address, port, atMs, lost }: RawRefusal): EgressRefusal {
  return {
    host: host === '' ? null : host,
    address: address.length === 0 ? null : describe(address).text,
    port: port === 0 ? null : port,
    at: new Date(atMs),
    lost,
  };
}
