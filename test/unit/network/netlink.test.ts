import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NacelleError, SyscallError } from '../../../lib/errors.js';
import {
  attribute,
  message,
  parseAcknowledgement,
  parseAttributes,
  parseMessages,
  parseReplies,
  readText,
  readU16,
  readU32,
  readU64,
  text,
  u16,
  u32,
} from '../../../lib/network/netlink.js';
import { refusal } from './captured.js';

const type = fc.integer({ min: 0, max: 0x3fff });
const value = fc.uint8Array({ maxLength: 200 });
const attributes = fc.uniqueArray(fc.tuple(type, value), { selector: ([key]) => key, maxLength: 12 });
const header = fc.record({
  type: fc.integer({ min: 16, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
});

const plain = (bytes: Uint8Array): number[] => [...bytes];

describe('attributes', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(attributes, (given) => {
        const bytes = Buffer.concat(given.map(([key, bytes]) => attribute(key, bytes)));
        expect(bytes.length % 4).toBe(0);
        const read = [...parseAttributes(bytes)].map(([key, bytes]) => [key, plain(bytes)]);
        expect(read).toEqual(given.map(([key, bytes]) => [key, plain(bytes)]));
      }),
    );
  });

  it('nest', () => {
    fc.assert(
      fc.property(type, attributes, (outer, inner) => {
        const bytes = attribute(outer, ...inner.map(([key, bytes]) => attribute(key, bytes)));
        const nested = parseAttributes(parseAttributes(bytes).get(outer) ?? new Uint8Array());
        expect([...nested].map(([key, bytes]) => [key, plain(bytes)])).toEqual(inner.map(([key, bytes]) => [key, plain(bytes)]));
      }),
    );
  });

  it('are told by their number alone, without the flags in the type', () => {
    expect(parseAttributes(Buffer.concat([u16(5), u16(0x8000 | 7), Uint8Array.of(9, 0, 0, 0)])).get(7)).toEqual(Buffer.of(9));
  });

  it('of more than 65531 bytes are refused', () => {
    expect(() => attribute(1, new Uint8Array(65532))).toThrow(RangeError);
    expect(attribute(1, new Uint8Array(65531)).length).toBe(65536);
  });
});

describe('messages', () => {
  it('come back as they were written, several in a row', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(header, attributes), { maxLength: 5 }), (given) => {
        const parts = given.map(([head, inner]) => ({ head, payload: Buffer.concat(inner.map(([key, bytes]) => attribute(key, bytes))) }));
        const bytes = Buffer.concat(parts.map(({ head, payload }) => message(head, payload)));
        const expected = parts.map(({ head, payload }) => ({ ...head, payload: plain(payload) }));
        expect(parseMessages(bytes).map((read) => ({ ...read, payload: plain(read.payload) }))).toEqual(expected);
      }),
    );
  });

  it('of any bytes are read or refused, never misread', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const parse of [parseMessages, parseAttributes, parseReplies]) {
          try {
            parse(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(NacelleError);
          }
        }
      }),
    );
  });

  it.each([
    ['a head cut short', Buffer.concat([u32(16), u32(0)])],
    ['a length beyond the end', Buffer.concat([u32(20), new Uint8Array(12)])],
    ['a length of nothing', new Uint8Array(16)],
  ])('with %s are refused', (_, bytes) => {
    expect(() => parseMessages(bytes)).toThrow(expect.objectContaining({ code: 'ERR_NETLINK' }));
  });
});

describe('numbers and texts', () => {
  it('come back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.string({ unit: 'grapheme' }),
        (small, large, words) => {
          fc.pre(!words.includes('\0'));
          expect(readU16(u16(small))).toBe(small);
          expect(readU32(u32(large))).toBe(large);
          expect(readText(text(words))).toBe(words);
        },
      ),
    );
  });

  it('count beyond 32 bits', () => {
    expect(readU64(Buffer.concat([u32(7), u32(1)]))).toBe(2 ** 32 + 7);
  });

  it('end with their bytes where the kernel leaves the NUL out', () => {
    expect(readText(Buffer.from('veth'))).toBe('veth');
  });
});

describe('replies', () => {
  const reply = message({ type: 16, flags: 2 }, u32(1));
  const done = message({ type: 3, flags: 2 }, u32(0));
  const acknowledgement = message({ type: 2, flags: 0x100 }, u32(0), new Uint8Array(16));

  it('end with DONE or an acknowledgement, which are no replies themselves', () => {
    expect(parseReplies(Buffer.concat([reply, reply, done])).map((read) => read.type)).toEqual([16, 16]);
    expect(parseReplies(Buffer.concat([reply, acknowledgement])).map((read) => read.type)).toEqual([16]);
  });

  it('tell the words of the kernel when it refuses', () => {
    const [captured] = parseMessages(Buffer.from(refusal, 'hex'));
    expect(captured && parseAcknowledgement(captured)).toEqual({ errno: 101, text: 'Nexthop has invalid gateway', offset: null });
    expect(() => parseReplies(Buffer.from(refusal, 'hex'))).toThrow(SyscallError);
    expect(() => parseReplies(Buffer.from(refusal, 'hex'))).toThrow(
      expect.objectContaining({ code: 'ENETUNREACH', message: 'netlink: Nexthop has invalid gateway' }),
    );
  });

  it('tell a refusal without words, and one that ends a dump', () => {
    const refused = message({ type: 2, flags: 0x100 }, u32(-17), new Uint8Array(16));
    expect(() => parseReplies(refused)).toThrow(expect.objectContaining({ code: 'EEXIST', errno: 17 }));
    expect(() => parseReplies(message({ type: 3, flags: 2 }, u32(-4)))).toThrow(expect.objectContaining({ code: 'EINTR' }));
  });

  it('tell a warning and a place beside an agreement', () => {
    const words = [attribute(1, text('deprecated')), attribute(2, u32(36))];
    const [warning] = parseMessages(message({ type: 2, flags: 0x300 }, u32(0), new Uint8Array(16), ...words));
    expect(warning && parseAcknowledgement(warning)).toEqual({ errno: 0, text: 'deprecated', offset: 36 });
  });

  it('that were lost are no silent gap', () => {
    expect(() => parseReplies(message({ type: 4, flags: 0 }))).toThrow('lost');
  });
});
