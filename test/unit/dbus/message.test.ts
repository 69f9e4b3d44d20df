import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, HEAD_BYTES, LONGEST_MESSAGE, lengthOf, type Message } from '../../../lib/dbus/message.js';
import { typedValues } from '../../fixtures/dbus-values.js';

const hello: Message = {
  type: 'call',
  serial: 1,
  noAutoStart: true,
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'Hello',
  body: [],
};

const types = fc.constantFrom<Pick<Message, 'type' | 'replySerial' | 'errorName' | 'path' | 'interface' | 'member'>>(
  { type: 'call', path: '/a', member: 'M' },
  { type: 'return', replySerial: 7 },
  { type: 'error', replySerial: 7, errorName: 'a.b' },
  { type: 'signal', path: '/a/b', interface: 'a.b', member: 'M' },
);

describe('messages of D-Bus', () => {
  it('are the same after both ways, and tell their length first', () => {
    fc.assert(
      fc.property(
        types,
        typedValues,
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.option(fc.constant(':1.7')),
        (type, typed, serial, sender) => {
          const signature = typed.map((each) => each.signature).join('');
          fc.pre(signature.length <= 255);
          const message: Message = {
            ...type,
            serial,
            ...(sender === null ? {} : { sender }),
            ...(signature === '' ? {} : { signature }),
            body: typed.map(({ value }) => value),
          };
          const bytes = encodeMessage(message);
          expect(lengthOf(bytes.subarray(0, HEAD_BYTES))).toBe(bytes.length);
          expect(decodeMessage(bytes)).toEqual(message);
        },
      ),
    );
  });

  it('that are damaged are an error of ours or another message', () => {
    const changes = fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(types, typedValues, changes, (type, typed, changed) => {
        const signature = typed.map((each) => each.signature).join('');
        fc.pre(signature.length <= 255);
        const bytes = encodeMessage({ ...type, serial: 1, signature, body: typed.map(({ value }) => value) });
        for (const { at, to } of changed) bytes[at % bytes.length] = to;
        try {
          const length = lengthOf(bytes.subarray(0, HEAD_BYTES));
          if (length <= bytes.length) decodeMessage(bytes.subarray(0, length));
        } catch (error) {
          expect(error).toMatchObject({ name: 'DBusError', code: 'ERR_DBUS' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('that begin with another letter, or go on for ever, are refused by their head', () => {
    const bytes = encodeMessage(hello);
    const longer = Buffer.from(bytes);
    longer.writeUInt32LE(LONGEST_MESSAGE, 4);
    expect(() => lengthOf(longer)).toThrow(`more than ${LONGEST_MESSAGE}`);
    longer[0] = 0;
    expect(() => lengthOf(longer)).toThrow('begins with 0');
    expect(() => encodeMessage({ ...hello, signature: 's', body: ['a'.repeat(LONGEST_MESSAGE)] })).toThrow('a message of');
  });

  it.each([
    ['of another version', 3, 2],
    ['without a serial', 8, 0],
  ])('%s are refused', (_, at, to) => {
    const bytes = encodeMessage(hello);
    bytes[at] = to;
    expect(() => decodeMessage(bytes)).toThrow(/^D-Bus: /);
  });

  it('of a type that comes later are left out', () => {
    const bytes = encodeMessage(hello);
    bytes[1] = 5;
    expect(decodeMessage(bytes)).toBeNull();
  });

  it('without what their type must have are refused', () => {
    expect(() => decodeMessage(encodeMessage({ type: 'return', serial: 1, body: [] }))).toThrow('without replySerial');
    expect(() => decodeMessage(encodeMessage({ type: 'signal', serial: 1, path: '/', member: 'M', body: [] }))).toThrow(
      'without interface',
    );
  });
});
