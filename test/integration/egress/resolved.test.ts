import { beforeAll, expect } from 'vitest';
import { TYPES, writeName, writeQuery } from '../../fixtures/dns.js';
import { egressDriver, egressLines } from '../../fixtures/egress.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';

// The addresses in another server's answer, which that of the name has a hand in.
const { describe, it } = requires({ tools: [DRIVER_COMPILER] });

let driver = '';
beforeAll(async () => {
  driver = await egressDriver();
});

const CNAME = 5;
const POINTER = Buffer.from([0xc0, 12]); // to the name of the question
interface Part {
  readonly owner: Buffer | string;
  readonly type: number;
  readonly data: Buffer;
  readonly inClass?: number;
}

const two = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const ipv4 = (text: string): Buffer => Buffer.from(text.split('.').map(Number));
const a = (owner: Buffer | string, text: string): Part => ({ owner, type: TYPES.A, data: ipv4(text) });
const cname = (owner: Buffer | string, to: Buffer | string): Part => ({
  owner,
  type: CNAME,
  data: typeof to === 'string' ? writeName(to) : to,
});

interface Head {
  readonly code?: number;
  readonly count?: number;
  readonly type?: number;
}

function answer(parts: readonly Part[], { code = 0, count = parts.length, type = TYPES.A }: Head = {}): Buffer {
  const query = writeQuery({ name: 'a.example', type });
  const records = parts.map(({ owner, type: one, data, inClass = 1 }) =>
    Buffer.concat([typeof owner === 'string' ? writeName(owner) : owner, two(one), two(inClass), Buffer.alloc(4), two(data.length), data]),
  );
  return Buffer.concat([query.subarray(0, 2), two(0x8180 | code), two(1), two(count), Buffer.alloc(4), query.subarray(12), ...records]);
}

function resolved(message: Buffer, type: number = TYPES.A): string[] {
  const [line = ''] = egressLines(driver, [], [`resolved a.example ${type} ${message.toString('hex')}`]);
  return line === '' ? [] : line.split(' ').map((hex) => [...Buffer.from(hex, 'hex')].join(type === TYPES.A ? '.' : ','));
}

describe('an answer', () => {
  it('has the addresses of the name', () => {
    expect(resolved(answer([a(POINTER, '8.8.8.8'), a('A.EXAMPLE', '8.8.4.4')]))).toEqual(['8.8.8.8', '8.8.4.4']);
    const ipv6 = Buffer.from('26064700000000000000000000001111', 'hex');
    expect(resolved(answer([{ owner: POINTER, type: TYPES.AAAA, data: ipv6 }], { type: TYPES.AAAA }), TYPES.AAAA)).toEqual([
      [...ipv6].join(),
    ]);
    expect(resolved(answer([]))).toEqual([]);
  });

  it('has those of the name that its CNAMEs lead to, in any order and compressed', () => {
    const chain = [cname(POINTER, 'b.example'), cname('B.example', 'c.example'), a('c.example', '8.8.8.8')];
    expect(resolved(answer(chain))).toEqual(['8.8.8.8']);
    expect(resolved(answer([...chain].reverse()))).toEqual(['8.8.8.8']);
    // 'b' and a pointer to 'example' in the question
    const compressed = Buffer.from([1, 98, 0xc0, 14]);
    expect(resolved(answer([cname(POINTER, compressed), a(compressed, '8.8.8.8')]))).toEqual(['8.8.8.8']);
  });

  it('has no address of another name, type or class', () => {
    expect(resolved(answer([a('evil.example', '8.8.8.8')]))).toEqual([]);
    expect(resolved(answer([cname(POINTER, 'b.example'), a(POINTER, '8.8.8.8')]))).toEqual([]);
    expect(resolved(answer([{ owner: POINTER, type: TYPES.AAAA, data: Buffer.alloc(16) }]))).toEqual([]);
    expect(resolved(answer([{ ...a(POINTER, '8.8.8.8'), inClass: 3 }]))).toEqual([]);
    expect(resolved(answer([{ owner: POINTER, type: TYPES.A, data: Buffer.alloc(16) }]))).toEqual([]);
    const dotted = Buffer.from('\x09a.example\0', 'latin1');
    expect(resolved(answer([a(dotted, '8.8.8.8')]))).toEqual([]);
  });

  it('ends, whatever is wrong with it', () => {
    const loop = [cname(POINTER, 'b.example'), cname('b.example', 'a.example'), a(POINTER, '8.8.8.8')];
    expect(resolved(answer(loop))).toEqual([]);
    const long = Array.from({ length: 40 }, (_, i) => cname(i === 0 ? POINTER : `c${i}.example`, `c${i + 1}.example`));
    expect(resolved(answer([...long, a('c40.example', '8.8.8.8')]))).toEqual([]);
    // the first record is at 27: a pointer to itself, and one to what comes behind
    for (const target of [27, 28, 200]) expect(resolved(answer([a(Buffer.from([0xc0, target]), '8.8.8.8')]))).toEqual([]);
    const whole = answer([a(POINTER, '8.8.8.8')]);
    for (let size = 0; size < whole.length; size++) expect(resolved(whole.subarray(0, size)), `${size} bytes`).toEqual([]);
    expect(resolved(answer([a(POINTER, '8.8.8.8')], { count: 2 }))).toEqual([]);
    expect(resolved(answer([a(POINTER, '8.8.8.8')], { code: 3 }))).toEqual([]);
    expect(resolved(answer(Array.from({ length: 100 }, (_, i) => a(POINTER, `8.8.8.${i}`))))).toHaveLength(16);
  });
});
