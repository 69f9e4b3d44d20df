import { describe, expect, it } from 'vitest';
import { decodeDenied } from '../../../../lib/native/messages.js';
import { describeCall } from '../../../../lib/security/denials/call-name.js';
import { denialEvent } from '../../../../lib/security/denials/denial-event.js';
import { looksOf } from '../../../../lib/security/denials/looks.js';
import { describeAddress } from '../../../../lib/security/denials/socket-address.js';
import { syscallTable } from '../../../../lib/security/syscalls/tables.js';
import { audit, x32Bit } from '../interpreter.js';

const numberOf = (name: string): number => syscallTable('x86_64').get(name)?.[0] ?? -1;

/** struct Denial of addon/shim/modes/denials.h, and what is behind it. */
function denial(
  { call = numberOf('mount'), killed = 0, error = 1, lost = 0 },
  ...pointedTo: readonly (readonly [number, Buffer])[]
): Buffer {
  const head = Buffer.alloc(80);
  head.writeUInt32LE(lost, 0);
  head.writeUInt8(killed, 4);
  head.writeUInt16LE(error, 6);
  head.writeBigUInt64LE(1_700_000_000_000_000_000n, 8);
  head.writeUInt32LE(audit.x86_64, 16);
  head.writeInt32LE(call, 20);
  head.writeUInt32LE(77, 24);
  for (let index = 0; index < 6; index++) head.writeBigUInt64LE(0xffff_ffff_0000_0000n + BigInt(index), 32 + 8 * index);
  const parts = pointedTo.flatMap(([argument, bytes]) => {
    const begin = Buffer.alloc(8);
    begin.writeUInt32LE(argument, 0);
    begin.writeUInt32LE(bytes.length, 4);
    return [begin, bytes];
  });
  return Buffer.concat([head, ...parts]);
}
const eventOf = (...given: Parameters<typeof denial>) => denialEvent(decodeDenied(denial(...given)));

describe('denialEvent', () => {
  it('has the call by name, and what its arguments point to as text', () => {
    expect(eventOf({ lost: 3 }, [0, Buffer.from('/dev/sda')], [1, Buffer.from([0x2f, 0xff])])).toEqual({
      call: 'mount',
      number: numberOf('mount'),
      abi: 'x86_64',
      pid: 77,
      args: Array.from({ length: 6 }, (_, index) => 0xffff_ffff_0000_0000n + BigInt(index)),
      paths: ['/dev/sda', '/\ufffd'],
      address: null,
      errno: 'EPERM',
      killed: false,
      at: new Date(1_700_000_000_000),
      lost: 3,
    });
  });

  it('has the address of a call that takes one', () => {
    const address = Buffer.from([2, 0, 0, 80, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(eventOf({ call: numberOf('connect') }, [1, address])).toMatchObject({ paths: [], address: '192.0.2.1:80' });
    expect(eventOf({ call: numberOf('connect') })).toMatchObject({ paths: [], address: null });
  });

  it('tells a kill from a refusal, and has a number for what has no name', () => {
    expect(eventOf({ killed: 1, error: 0 })).toMatchObject({ killed: true, errno: null });
    expect(eventOf({ call: 5000 })).toMatchObject({ call: null, number: 5000, abi: 'x86_64' });
  });
});

describe('decodeDenied', () => {
  it('refuses what is cut off', () => {
    const whole = denial({}, [0, Buffer.from('/a')]);
    for (const size of [0, 79, 83, whole.length - 1]) {
      expect(() => decodeDenied(whole.subarray(0, size))).toThrow(expect.objectContaining({ code: 'ERR_SHIM_MESSAGE' }));
    }
  });
});

describe('describeCall', () => {
  it.each([
    [audit.x86_64, numberOf('mount'), 'mount'],
    [audit.x86_64, numberOf('mount') + x32Bit, 'mount'],
    [audit.x86_64, 512 + x32Bit, 'rt_sigaction'],
    [audit.i386, 21, 'mount'],
    [audit.arm64, 40, 'mount'],
    [audit.x86_64, -1, 'number -1 of x86_64'],
    [audit.arm, 21, "number 21 of an architecture that this machine's filters don't know"],
  ])('%i, %i: %s', (arch, call, words) => {
    expect(describeCall({ arch, call })).toBe(words);
  });
});

describe('describeAddress', () => {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
  it.each([
    ['', null],
    ['01', null],
    ['0100', 'unix:'],
    [`0100 ${Buffer.from('/run/a\0rest').toString('hex')}`, 'unix:/run/a'],
    [`0100 00 ${Buffer.from('abstract').toString('hex')}`, 'unix:@abstract'],
    ['0200 1f90 7f000001', '127.0.0.1:8080'],
    ['0200 1f', 'family 2'],
    ['0a00 01bb 00000000 20010db8000000000000000000000001 00000000', '[2001:db8::1]:443'],
    ['0a00 01bb 00000000', 'family 10'],
    ['1000 0000', 'family 16'],
  ])('%s: %s', (given, words) => {
    expect(describeAddress(bytes(given))).toBe(words);
  });
});

describe('looksOf', () => {
  it('names calls of all ABIs of the machine, at most two things of each', () => {
    const bytes = looksOf('x86_64');
    const view = new DataView(bytes.buffer);
    const rows = Array.from({ length: bytes.length / 12 }, (_, index) => [
      view.getUint32(12 * index, true),
      view.getInt32(12 * index + 4, true),
    ]);
    const same = (row: readonly unknown[]) => rows.filter((other) => other.join() === row.join()).length;
    expect(Math.max(...rows.map(same))).toBe(2);
    const mounts = [
      [audit.x86_64, numberOf('mount')],
      [audit.x86_64, numberOf('mount') + x32Bit],
      [audit.i386, 21],
    ];
    for (const call of mounts) expect(rows).toContainEqual(call);
    expect(looksOf('arm64').length).toBeGreaterThan(0);
  });
});
