import { constants } from 'node:os';
import { nextTick } from 'node:process';
import type { RawDenial, Task } from '../../native/task.js';
import { namedCall } from './call-name.js';
import type { DenialEvent } from './denial-types.js';
import { describeAddress } from './socket-address.js';

/** Called for each refused call, in their order. */
export type DenialListener = (event: DenialEvent) => void;

/** An error of the listener's is its caller's own: an uncaught exception, which stops nothing here. */
export function tellDenials(task: Pick<Task, 'hearDenials'>, listener: DenialListener | null): void {
  if (listener === null) return;
  task.hearDenials((denial) => nextTick(() => listener(denialEvent(denial))));
}

const takesAddress = ['connect', 'bind', 'sendto'];

/** A refused call in words. Pure. */
export function denialEvent({ arch, call, pid, args, pointedTo, killed, errno, atMs, lost }: RawDenial): DenialEvent {
  const { abi, name } = namedCall({ arch, call });
  const hasAddress = name !== null && takesAddress.includes(name);
  const [address] = hasAddress ? pointedTo : [];
  return {
    call: name,
    number: call,
    abi,
    pid,
    args,
    paths: hasAddress ? [] : pointedTo.map(({ bytes }) => Buffer.from(bytes).toString()),
    address: address === undefined ? null : describeAddress(address.bytes),
    errno: killed ? null : errnoName(errno),
    killed,
    at: new Date(atMs),
    lost,
  };
}

function errnoName(number: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
}
