import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNacelleError } from '../../../../lib/errors.js';
import { describe as describeAddress } from '../../../../lib/network/address.js';
import { socketsAt } from '../../../../lib/network/ports/listeners.js';
import { parsePorts, portMapping } from '../../../../lib/network/ports/port-mapping.js';
import {
  FIRST_LIVE_SLOT,
  freeSlot,
  type HeldPort,
  moveSteps,
  type PortsRecord,
  publishSteps,
  unpublishSteps,
} from '../../../../lib/network/ports/port-record.js';
import { parseOptions } from '../../../../lib/options/parse-options.js';

/** As short as it can be told: ADDRESS HOST CONTAINER PROTOCOL. */
const short = (text: string): string[] | string => {
  const ports = parsePorts(text);
  if (typeof ports === 'string') return ports;
  return ports.map(({ address, host, container, protocol }) => {
    const range = host === null ? 'any' : host.first === host.last ? host.first : `${host.first}-${host.last}`;
    return `${address.text} ${range} ${container} ${protocol}`;
  });
};

describe('a port as docker writes it', () => {
  it.each([
    ['80', ['127.0.0.1 any 80 tcp']],
    ['8080:80', ['127.0.0.1 8080 80 tcp']],
    ['0:80', ['127.0.0.1 any 80 tcp']],
    [':80', ['127.0.0.1 any 80 tcp']],
    ['8080:80/tcp', ['127.0.0.1 8080 80 tcp']],
    ['127.0.0.1::53/udp', ['127.0.0.1 any 53 udp']],
    ['0.0.0.0:8080:80', ['0.0.0.0 8080 80 tcp']],
    ['192.0.2.1:8080:80/udp', ['192.0.2.1 8080 80 udp']],
    ['[::]:8080:80', [':: 8080 80 tcp']],
    ['[2001:db8::1]::80', ['2001:db8::1 any 80 tcp']],
    ['[::1]:8080:80/udp', ['::1 8080 80 udp']],
    ['9000-9002:9000-9002', [9000, 9001, 9002].map((port) => `127.0.0.1 ${port} ${port} tcp`)],
    ['8000-8001:9000-9001/udp', ['127.0.0.1 8000 9000 udp', '127.0.0.1 8001 9001 udp']],
    ['8000-8999:80', ['127.0.0.1 8000-8999 80 tcp']],
    ['80-82', [80, 81, 82].map((port) => `127.0.0.1 any ${port} tcp`)],
  ])('is understood: %s', (text, ports) => {
    expect(short(text)).toEqual(ports);
  });

  it.each([
    ['', /^must be as '8080:80'/],
    ['0', /has '0' as the container's port/],
    ['80:', /must be as/],
    ['65536:80', /has '65536' as this machine's port/],
    ['82-80', /has '82-80' as the container's port/],
    ['8000-8001:80-82', /ranges of different lengths/],
    ['80/sctp', /has the protocol 'sctp', of which no port can be held/],
    ['80/icmp', /has the protocol 'icmp': must be tcp or udp/],
    ['80/', /has the protocol ''/],
    ['localhost:8080:80', /'localhost' is not an IP address/],
    ['[fe80::1]:8080:80', /is at fe80::1, which each link may have/],
    ['[::ffff:192.0.2.1]:8080:80', /give the address of IPv4/],
    ['224.0.0.1:8080:80', /multicast/],
    ['::1:8080:80', /must be as|is not an IP address/],
    ['1:2:3:4', /must be as|is not an IP address/],
  ])('is refused with the reason: %j', (text, problem) => {
    expect(parsePorts(text)).toMatch(problem);
  });

  it('is what was put together, whatever the parts', () => {
    const port = fc.integer({ min: 1, max: 0xffff });
    const address = fc.constantFrom('127.0.0.1', '0.0.0.0', '192.0.2.1', '[::]', '[2001:db8::5]');
    fc.assert(
      fc.property(address, port, port, fc.constantFrom('tcp', 'udp'), (at, host, container, protocol) => {
        expect(short(`${at}:${host}:${container}/${protocol}`)).toEqual([
          `${at.replaceAll(/[[\]]/g, '')} ${host} ${container} ${protocol}`,
        ]);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => ['string', 'object'].includes(typeof parsePorts(text))));
  });

  it('may be an object, whose errors name the part', () => {
    const parse = (value: unknown): unknown => parseOptions(portMapping, value, 'port');
    expect(parse({ container: 80 })).toMatchObject([{ container: 80, host: null, protocol: 'tcp' }]);
    expect(parse({ container: 53, host: 5353, address: '::', protocol: 'udp' })).toMatchObject([{ host: { first: 5353, last: 5353 } }]);
    for (const wrong of [
      { container: 0 },
      { container: 80, host: 65_536 },
      { container: 80, address: 'fe80::1' },
      { container: 80, port: 1 },
      '80:',
    ]) {
      expect(() => parse(wrong)).toThrow(
        expect.toSatisfy((error: unknown) => isNacelleError(error) && error.code === 'ERR_INVALID_OPTION'),
      );
    }
  });
});

describe('who has a port', () => {
  const at = (text: string, port: number, protocol: 'tcp' | 'udp' = 'tcp') => {
    const bytes = text === '::' ? new Uint8Array(16) : Uint8Array.from(text.split('.').map(Number));
    return { address: describeAddress(bytes), port, protocol };
  };
  // as the kernel prints them, on machines with the lowest byte first
  const tcp = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000000000000000 100 0 0 10 0',
    '   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0000000000000000 100 0 0 10 0',
    '   2: 0100007F:1F92 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0000000000000000 100 0 0 10 0',
  ].join('\n');
  const tcp6 = `head\n   0: ${'0'.repeat(32)}:1F90 ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1\n`;

  it('is the socket that listens there, or at all addresses', () => {
    expect(socketsAt(tcp, at('127.0.0.1', 8080))).toEqual([11]);
    expect(socketsAt(tcp, at('0.0.0.0', 8080))).toEqual([11]);
    expect(socketsAt(tcp, at('192.0.2.1', 8080))).toEqual([]);
    expect(socketsAt(tcp, at('192.0.2.1', 8081))).toEqual([12]);
    expect(socketsAt(tcp, at('127.0.0.1', 8082))).toEqual([]);
    expect(socketsAt(tcp, at('127.0.0.1', 8082, 'udp'))).toEqual([13]);
    expect(socketsAt(tcp6, at('127.0.0.1', 8080))).toEqual([21]);
    expect(socketsAt(tcp6, at('::', 8080))).toEqual([21]);
    expect(socketsAt('', at('::', 8080))).toEqual([]);
  });
});

describe('what a task has of its ports', () => {
  const record: PortsRecord = {
    ...{ namespace: 1, table: 't', socket: 5, isMade: false, isCarried: false, list: [] },
    targets: [
      { family: 4, address: '10.1.0.2' },
      { family: 6, address: 'fd00::2' },
    ],
  };
  const held = (address: string): HeldPort => ({ container: 80, host: 8080, address, protocol: 'tcp', slot: 7 });
  const steps = (address: string, isMade: boolean): string[] =>
    publishSteps({ ...record, isMade }, [held(address)]).map((step) => (step.op === 'relay_port' ? `to ${step.to}` : step.op));

  it('has rules but for the loopback, which is carried', () => {
    expect(publishSteps(record, [])).toEqual([]);
    expect(steps('127.0.0.1', false)).toEqual(['to 10.1.0.2']);
    expect(steps('::1', false)).toEqual(['to fd00::2']);
    expect(steps('0.0.0.0', false)).toEqual(['netlink_socket', 'netlink_batch', 'to 10.1.0.2']);
    expect(steps('::', true)).toEqual(['netlink_batch', 'to fd00::2']);
    for (const address of ['192.0.2.1', '2001:db8::1']) expect(steps(address, true)).toEqual(['netlink_batch']);
  });

  it('carries from the loopback of a family that the container has not to the other one', () => {
    const only: PortsRecord = { ...record, targets: [{ family: 4, address: '10.1.0.2' }] };
    expect(publishSteps(only, [held('::1')])).toMatchObject([{ op: 'relay_port', to: '10.1.0.2', socket: 7, port: 80 }]);
    expect(() => publishSteps(only, [held('::')])).toThrow(RangeError);
  });

  it('of networks that are a user’s are all carried, from whichever address', () => {
    const carried = (address: string): unknown => publishSteps({ ...record, isCarried: true }, [held(address)]);
    const inside = { op: 'relay_port_inside', host: true, socket: 7, port: 80 };
    expect(carried('127.0.0.1')).toEqual([{ ...inside, to: '10.1.0.2' }]);
    // rules lead containers there, where the family is the container's
    const rules = [{ op: 'netlink_socket' }, { op: 'netlink_batch' }];
    expect(carried('0.0.0.0')).toMatchObject([...rules, { ...inside, to: '10.1.0.2' }]);
    expect(carried('2001:db8::1')).toMatchObject([...rules, { ...inside, to: 'fd00::2' }]);
    const only: PortsRecord = { ...record, isCarried: true, targets: record.targets.slice(0, 1) };
    expect(publishSteps(only, [held('2001:db8::1')])).toEqual([{ ...inside, to: '10.1.0.2' }]);
    const moved = { ...record, isCarried: true, list: [held('192.0.2.1')] };
    expect(moveSteps(moved, { ...moved, targets: record.targets.slice(1) })).toEqual([
      { op: 'stop_ports', host: true, first: 7, last: 7 },
      { ...inside, to: 'fd00::2' },
    ]);
    expect(unpublishSteps(moved, held('192.0.2.1')).map(({ op }) => op)).toEqual(['stop_ports']);
    const made = { ...moved, isMade: true };
    const ops = (targets: PortsRecord['targets']): string[] => moveSteps(made, { ...made, targets }).map(({ op }) => op);
    expect(ops(record.targets.slice(1))).toEqual(['netlink_batch', 'stop_ports', 'relay_port_inside']);
    expect(unpublishSteps(made, held('192.0.2.1')).map(({ op }) => op)).toEqual(['stop_ports', 'netlink_batch']);
  });

  it('is taken away as it was made', () => {
    const taken = (address: string): string[] => unpublishSteps({ ...record, isMade: true }, held(address)).map(({ op }) => op);
    expect(unpublishSteps(record, held('127.0.0.1'))).toEqual([{ op: 'stop_ports', host: true, first: 7, last: 7 }]);
    expect(taken('127.0.0.1')).toEqual(['stop_ports']);
    expect(taken('0.0.0.0')).toEqual(['stop_ports', 'netlink_batch']);
  });

  it('has a slot for each port that comes later, until there are no more', () => {
    const at = (slot: number): HeldPort => ({ ...held('127.0.0.1'), host: slot, slot });
    expect(freeSlot(record)).toBe(FIRST_LIVE_SLOT);
    expect(freeSlot({ ...record, list: [at(FIRST_LIVE_SLOT), at(FIRST_LIVE_SLOT + 2)] })).toBe(FIRST_LIVE_SLOT + 1);
    expect(freeSlot({ ...record, list: Array.from({ length: 1023 }, (_, place) => at(FIRST_LIVE_SLOT + place)) })).toBe(null);
  });
});
