import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect } from 'vitest';
import { clientHello, egressDriver, egressLines } from '../../fixtures/egress.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';

// The name in a ClientHello. OpenSSL, as Node has it, writes what is read here.
const { describe, it } = requires({ tools: [DRIVER_COMPILER] });

let driver = '';
beforeAll(async () => {
  driver = await egressDriver();
});

const HEAD = 5;

function openings(...all: Buffer[]): string[] {
  return egressLines(
    driver,
    [],
    all.map((bytes) => `opening ${bytes.toString('hex')}`),
  );
}

/** The same handshake in records of these sizes, the rest in a last one. */
function inRecords(hello: Buffer, sizes: readonly number[]): Buffer {
  const records: Buffer[] = [];
  let rest = hello.subarray(HEAD);
  for (const size of [...sizes, rest.length]) {
    const part = rest.subarray(0, size);
    if (part.length > 0) records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
    rest = rest.subarray(size);
  }
  return Buffer.concat(records);
}

/** With other extensions, and all sizes right. */
function withExtensions(hello: Buffer, change: (extensions: { type: number; data: Buffer }[]) => { type: number; data: Buffer }[]): Buffer {
  let at = HEAD + 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const extensions = [];
  for (let from = at + 2; from < hello.length; ) {
    const size = hello.readUInt16BE(from + 2);
    extensions.push({ type: hello.readUInt16BE(from), data: hello.subarray(from + 4, from + 4 + size) });
    from += 4 + size;
  }
  const written = change(extensions).map(({ type, data }) => Buffer.concat([number(type, 2), number(data.length, 2), data]));
  const all = Buffer.concat(written);
  const body = Buffer.concat([hello.subarray(HEAD + 4, at), number(all.length, 2), all]);
  return Buffer.concat([hello.subarray(0, 3), number(body.length + 4, 2), Buffer.from([1]), number(body.length, 3), body]);
}

function number(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}

const entry = (name: string, type = 0): Buffer => Buffer.concat([Buffer.from([type]), number(name.length, 2), Buffer.from(name)]);
const serverNames = (...names: Buffer[]) => ({ type: 0, data: Buffer.concat([number(Buffer.concat(names).length, 2), ...names]) });

describe('the opening of a connection', () => {
  it.each([['TLSv1.2'], ['TLSv1.3']] as const)('of %s has the name of the server, in any case', async (version) => {
    const options = { minVersion: version, maxVersion: version } as const;
    const named = await clientHello({ ...options, servername: 'Registry.Example.org' });
    const long = await clientHello({
      ...options,
      servername: 'a.example',
      ALPNProtocols: Array.from({ length: 200 }, (_, i) => `alpn-${i}`),
    });
    const unnamed = await clientHello({ ...options, host: '192.0.2.1' });
    expect(openings(named, long, unnamed)).toEqual(['named registry.example.org', 'named a.example', 'unnamed']);
  });

  it('is the same over any split of bytes and records', async () => {
    const hello = await clientHello({ servername: 'registry.example.org' });
    const prefixes = Array.from({ length: hello.length }, (_, size) => hello.subarray(0, size));
    expect(new Set(openings(...prefixes))).toEqual(new Set(['more']));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 }), fc.uint8Array({ maxLength: 30 }), (sizes, rest) => {
        const split = inRecords(hello, sizes);
        const [whole, followed, short] = openings(split, Buffer.concat([split, rest]), split.subarray(0, -1));
        expect([whole, followed, short]).toEqual(['named registry.example.org', 'named registry.example.org', 'more']);
      }),
      { numRuns: rounds(50, 1000), seed },
    );
  });

  it('is plain when it is not TLS', () => {
    const texts = [
      'GET / HTTP/1.1\r\n',
      'SSH-2.0-x\r\n',
      '\0\0\0\x08\x04\xd2\x16\x2f',
      '\x80\x2e\x01\x03\x01',
      '\x16GET',
      '\x15GET',
      '\x18\x03\x01',
    ];
    expect(openings(...texts.map((text) => Buffer.from(text, 'latin1')))).toEqual(texts.map(() => 'plain'));
    expect(openings(...['16', '1603', '15', ''].map((bytes) => Buffer.from(bytes, 'hex')))).toEqual(['more', 'more', 'more', 'more']);
  });

  it('is broken when a server could read another name than we', async () => {
    const hello = await clientHello({ servername: 'good.example' });
    const names = (...all: Buffer[]) => withExtensions(hello, (list) => list.map((one) => (one.type === 0 ? serverNames(...all) : one)));
    const wrong = {
      'two extensions of names': withExtensions(hello, (list) => [...list, serverNames(entry('evil.example'))]),
      'two names': names(entry('good.example'), entry('evil.example')),
      'no name in the list': names(),
      'an empty name': names(entry('')),
      'another kind of name': names(entry('evil.example', 1)),
      'a zero byte': names(entry('good.example\0.evil.example')),
      'a space': names(entry('good.example evil')),
      'bytes behind the list': withExtensions(hello, (list) =>
        list.map((one) =>
          one.type === 0 ? { type: 0, data: Buffer.concat([serverNames(entry('good.example')).data, Buffer.from([0])]) } : one,
        ),
      ),
      'another message in its last record': Buffer.concat([
        hello.subarray(0, 3),
        number(2 * (hello.length - HEAD), 2),
        hello.subarray(HEAD),
        hello.subarray(HEAD),
      ]),
      'another message first': Buffer.concat([hello.subarray(0, HEAD), Buffer.from([2]), hello.subarray(HEAD + 1)]),
      'an alert between the parts': Buffer.concat([
        inRecords(hello, [50]).subarray(0, 55),
        Buffer.from([21, 3, 1, 0, 2, 1, 0]),
        inRecords(hello, [50]).subarray(55),
      ]),
      'a change of cipher before it': Buffer.concat([Buffer.from([20, 3, 1, 0, 1, 1]), hello]),
      'an alert before it': Buffer.concat([Buffer.from([21, 3, 1, 0, 2, 1, 0]), hello]),
      'data before it': Buffer.from([23, 3]),
      'an empty record': Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), hello]),
      'a record that is too long': Buffer.from([22, 3, 1, 0x40, 1, 1]),
      'a message that is too long': Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]),
    };
    const found = openings(...Object.values(wrong));
    expect(Object.fromEntries(Object.keys(wrong).map((name, i) => [name, found[i]]))).toEqual(
      Object.fromEntries(Object.keys(wrong).map((name) => [name, 'broken'])),
    );
    // what was changed is the only thing that is wrong with them
    expect(openings(names(entry('good.example')), names(entry('other.example.')))).toEqual(['named good.example', 'named other.example']);
  });

  it('has as many bytes as its records, whatever comes behind it', async () => {
    const hello = await clientHello({ servername: 'registry.example.org' });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 }), fc.uint8Array({ maxLength: 30 }), (sizes, rest) => {
        const split = inRecords(hello, sizes);
        const lines = [split, Buffer.concat([split, rest]), Buffer.concat([split, hello])].map((bytes) => `size ${bytes.toString('hex')}`);
        expect(egressLines(driver, [], lines)).toEqual(lines.map(() => String(split.length)));
      }),
      { numRuns: rounds(50, 1000), seed },
    );
  });
});

describe('what a server answers', () => {
  const answers = (...all: Buffer[]): string[] =>
    egressLines(
      driver,
      [],
      all.map((bytes) => `answer ${bytes.toString('hex')}`),
    );
  /** RFC 8446 section 4.1.3: a version, this random, a session, a cipher suite, no compression, extensions. */
  const serverHello = (random: Buffer, type = 2): Buffer => {
    const body = Buffer.concat([Buffer.from([3, 3]), random, Buffer.from([0, 0x13, 1, 0, 0, 0])]);
    const message = Buffer.concat([Buffer.from([type]), number(body.length, 3), body]);
    return Buffer.concat([Buffer.from([22, 3, 3]), number(message.length, 2), message]);
  };
  const retry = serverHello(createHash('sha256').update('HelloRetryRequest').digest());
  const random = createHash('sha256').update('another').digest();
  const warning = Buffer.from([21, 3, 3, 0, 2, 1, 112]);

  it('is to begin anew by one random alone, over any split of bytes and records', () => {
    expect(answers(retry, Buffer.concat([warning, warning, retry]), serverHello(random))).toEqual(['retry', 'retry', 'other']);
    const known = HEAD + 4 + 2 + 32;
    const prefixes = Array.from({ length: retry.length }, (_, size) => retry.subarray(0, size));
    expect(answers(...prefixes)).toEqual(prefixes.map((_, size) => (size < known ? 'more' : 'retry')));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 40 }), fc.uint8Array({ maxLength: 30 }), (sizes, rest) => {
        const split = Buffer.concat([inRecords(retry, sizes), rest]);
        expect(answers(split)).toEqual(['retry']);
      }),
      { numRuns: rounds(50, 1000), seed },
    );
  });

  it('is something else, or broken', () => {
    const all: Record<string, [bytes: Buffer, found: string]> = {
      nothing: [Buffer.alloc(0), 'more'],
      'a warning': [warning, 'more'],
      'an alert that is the end': [Buffer.from([21, 3, 3, 0, 2, 2, 40]), 'other'],
      'no TLS': [Buffer.from('HTTP/1.1 400 Bad Request'), 'other'],
      'no TLS in the middle': [Buffer.concat([inRecords(retry, [10]).subarray(0, 15), Buffer.from('HTTP')]), 'broken'],
      'another message': [serverHello(random, 1), 'broken'],
      'a change of cipher before it': [Buffer.concat([Buffer.from([20, 3, 3, 0, 1, 1]), retry]), 'broken'],
      'data before it': [Buffer.concat([Buffer.from([23, 3, 3, 0, 1, 1]), retry]), 'broken'],
      'an alert in the middle': [Buffer.concat([inRecords(retry, [10]).subarray(0, 15), warning]), 'broken'],
      'an empty record': [Buffer.from([22, 3, 3, 0, 0]), 'broken'],
    };
    const found = answers(...Object.values(all).map(([bytes]) => bytes));
    expect(Object.fromEntries(Object.keys(all).map((name, i) => [name, found[i]]))).toEqual(
      Object.fromEntries(Object.entries(all).map(([name, [, expected]]) => [name, expected])),
    );
  });
});
