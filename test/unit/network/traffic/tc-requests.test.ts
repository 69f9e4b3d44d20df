import { describe, expect, it } from 'vitest';
import { parseAttributeList, parseMessages } from '../../../../lib/network/netlink.js';
import { newIngress, newTokenBucket, redirectIngress } from '../../../../lib/network/traffic/tc-requests.js';
import { tcRequests } from '../captured.js';

const [V0, I0] = [0x4000_0001, 0x4000_0000];
const HEADER = 16;
const TCMSG = 20;

/** A request less the sequence number. */
function hex(request: Uint8Array): string {
  const copy = Buffer.from(request);
  copy.fill(0, 8, 12);
  return copy.toString('hex');
}

/** The parts of a request for a token bucket: what comes before the options, and these in the order of their numbers. */
function parts(request: Uint8Array): { type: number; flags: number; head: string; options: [number, string][] } {
  // tc's lengths count its table of rates as well
  const whole = Buffer.from(request);
  whole.writeUInt32LE(whole.length, 0);
  const options = HEADER + TCMSG + 8;
  whole.writeUInt16LE(whole.length - options, options);
  const [message] = parseMessages(whole);
  if (!message) throw new Error('no message');
  const { type, flags, payload } = message;
  const list = parseAttributeList(payload.subarray(TCMSG + 8 + 4));
  return {
    type,
    flags,
    head: Buffer.from(payload.subarray(0, TCMSG + 8)).toString('hex'),
    options: list.map(([number, value]): [number, string] => [number, essence(number, value)]).sort(([one], [other]) => one - other),
  };
}

/** What both must agree about: tc tells how its table of rates is made, and the burst as a time too, which the kernel makes of the burst in bytes. */
function essence(number: number, value: Uint8Array): string {
  const copy = Buffer.from(value);
  if (number === 1) {
    copy.fill(0, 0, 1);
    copy.fill(0, 4, 6);
    copy.fill(0, 28, 32);
  }
  return copy.toString('hex');
}

describe('requests are those of tc', () => {
  it.each([
    ['ingress', newIngress(V0)],
    ['redirect', redirectIngress(V0, I0)],
  ] as const)('%s, byte for byte', (name, request) => {
    expect(hex(request)).toBe(tcRequests[name]);
  });

  it.each([
    ['tbf', newTokenBucket(V0, { rate: 1_000_000, burst: 65_536, limit: 115_536 })],
    ['wideTbf', newTokenBucket(I0, { rate: 2 ** 33, burst: 214_748_364, limit: 429_496_728 })],
  ] as const)('%s, but for the table of rates', (name, request) => {
    expect(parts(request)).toEqual(parts(Buffer.from(tcRequests[name], 'hex')));
  });
});
