import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect } from 'vitest';
import { CODES, type DnsQuery, readMessage, TYPES, writeAnswer, writeName, writeQuery } from '../../fixtures/dns.js';
import { type Asked, answersOf, namesDriver } from '../../fixtures/names.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const { describe, it } = requires({ tools: [DRIVER_COMPILER] });

const folder = temporaryFolder();
let driver = '';
beforeAll(async () => {
  driver = await namesDriver();
});

function member(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}
const web = member('web', 'front 10.89.0.2,fd00:1::2 web 3f2a9c0d1e2f web-1 www');
const db = member('db', 'front 10.89.0.3 db 000000000001 www', 'back 10.90.0.3 db 000000000001');
const cache = member('cache', 'back 10.90.0.4 cache 000000000002');
const all: Asked = { files: [web, db, cache], networks: ['front'] };

function ask(query: DnsQuery | Buffer, more: Partial<Asked> = {}): ReturnType<typeof readMessage> | string {
  const [answer = ''] = answersOf(driver, { ...all, ...more }, [Buffer.isBuffer(query) ? query : writeQuery(query)]);
  return typeof answer === 'string' ? answer : readMessage(answer);
}

describe('a name of the network', () => {
  it.each([
    ['name', 'web', ['10.89.0.2']],
    ['id', '3f2a9c0d1e2f', ['10.89.0.2']],
    ['host name', 'web-1', ['10.89.0.2']],
    ['alias of two', 'www', ['10.89.0.3', '10.89.0.2']],
  ])('is found by %s', (_, name, addresses) => {
    const answer = ask({ name, id: 77 });
    expect(answer).toMatchObject({
      id: 77,
      isAnswer: true,
      authoritative: true,
      truncated: false,
      recurses: false,
      code: CODES.NOERROR,
      name,
    });
    expect(answer).toHaveProperty('answers', expect.arrayContaining(addresses.map((data) => ({ name, type: TYPES.A, ttl: 0, data }))));
    expect(answer).toHaveProperty('answers.length', addresses.length);
  });

  it('has its addresses of IPv6 too, and both when any is asked for', () => {
    const data = 'fd000001000000000000000000000002';
    expect(ask({ name: 'web', type: TYPES.AAAA })).toMatchObject({ answers: [{ type: TYPES.AAAA, data }] });
    expect(ask({ name: 'web', type: TYPES.ANY })).toHaveProperty('answers.length', 2);
  });

  it.each([
    ['AAAA', 'db', TYPES.AAAA],
    ['MX', 'web', TYPES.MX],
    ['HTTPS', 'web', TYPES.HTTPS],
    ['A of an address', '2.0.89.10.in-addr.arpa', TYPES.A],
  ])('without %s has an empty answer, and nobody else is asked', (_, name, type) => {
    expect(ask({ name, type }, { forwards: true })).toMatchObject({ code: CODES.NOERROR, answers: [] });
  });

  it('is found by address, under its first name', () => {
    expect(ask({ name: '2.0.89.10.IN-ADDR.arpa', type: TYPES.PTR })).toMatchObject({ answers: [{ type: TYPES.PTR, data: 'web' }] });
    const digits = 'fd000001000000000000000000000002'.split('').reverse().join('.');
    expect(ask({ name: `${digits}.ip6.arpa`, type: TYPES.PTR })).toMatchObject({ answers: [{ data: 'web' }] });
  });

  it('keeps the upper and lower case of the question', () => {
    expect(ask({ name: 'wEB-1' })).toMatchObject({ name: 'wEB-1', code: CODES.NOERROR, answers: [{ data: '10.89.0.2' }] });
  });

  it('of another network is unknown, and what both have is found in both', () => {
    expect(ask({ name: 'cache' })).toMatchObject({ code: CODES.NXDOMAIN, authoritative: false });
    expect(ask({ name: '4.0.90.10.in-addr.arpa', type: TYPES.PTR })).toMatchObject({ code: CODES.NXDOMAIN });
    const both = ask({ name: 'db' }, { networks: ['back', 'front'] });
    const data = typeof both === 'string' ? [] : both.answers.map((record) => record.data);
    expect(data.sort()).toEqual(['10.89.0.3', '10.90.0.3']);
  });

  it('that several have begins with each of them about as often', () => {
    // as programs ask: for both families, and for others in between
    const asked = [TYPES.A, TYPES.AAAA].map((type) => writeQuery({ name: 'www', type }));
    const answers = answersOf(driver, all, Array.from({ length: 100 }, () => asked).flat());
    const first = answers.flatMap((answer) => (typeof answer === 'string' ? [] : readMessage(answer).answers.slice(0, 1)));
    const often = (data: string): number => first.filter((record) => record.data === data).length;
    expect(often('10.89.0.2') + often('10.89.0.3')).toBe(100);
    expect(Math.min(often('10.89.0.2'), often('10.89.0.3'))).toBeGreaterThan(25);
  });

  it.each(['we', 'webs', 'web.front', '', 'web\0', '02.0.89.10.in-addr.arpa', '0.89.10.in-addr.arpa', '1.2.0.89.10.in-addr.arpa'])(
    'is no part of %j, which is asked for elsewhere',
    (name) => {
      expect(ask({ name, type: TYPES.ANY }, { forwards: true })).toBe('forward');
      expect(ask({ name, type: TYPES.ANY })).toMatchObject({ code: CODES.NXDOMAIN, answers: [] });
    },
  );

  it('has no dot within a label', () => {
    const dotted = member('dotted', 'front 10.89.0.9 a.b');
    expect(ask({ name: 'a.b' }, { files: [dotted] })).toMatchObject({ answers: [{ data: '10.89.0.9' }] });
    const label = Buffer.concat([writeQuery({ name: '' }).subarray(0, 12), Buffer.from('\x03a.b\0\0\x01\0\x01', 'latin1')]);
    expect(ask(label, { files: [dotted] })).toMatchObject({ code: CODES.NXDOMAIN });
  });
});

describe('what fits', () => {
  const many = Array.from({ length: 100 }, (_, i) => `10.88.0.${i + 1}`);
  const crowd = member('crowd', `front ${many.join(',')} crowd`);
  it.each([
    ['without EDNS', undefined, 30],
    ['with a size below 512', 100, 29],
    ['with EDNS', 1232, 74],
    ['with more than an answer needs', 4096, 100],
  ])('over UDP %s', (_, edns, count) => {
    const query = writeQuery({ name: 'crowd', ...(edns !== undefined && { edns }) });
    const [bytes = ''] = answersOf(driver, { ...all, files: [crowd] }, [query]);
    if (typeof bytes === 'string') throw new Error(bytes);
    const answer = readMessage(bytes);
    expect(answer.truncated).toBe(count < 100);
    expect(new Set(answer.answers.map(({ data }) => data)).size).toBe(count);
    expect(answer.answers).toHaveLength(count);
    expect(bytes.length).toBeLessThanOrEqual(Math.max(512, edns ?? 512));
    expect(answer.edns).toBe(edns === undefined ? null : 4096);
  });

  it('over TCP is all', () => {
    expect(ask({ name: 'crowd' }, { files: [crowd], tcp: true })).toHaveProperty('answers.length', 100);
  });
});

describe('what is no question for it', () => {
  const plain = writeQuery({ name: 'web' });
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(plain);
    bytes.writeUInt16BE(value, at);
    return bytes;
  };
  const opt = writeQuery({ name: 'web', edns: 1232 }).subarray(plain.length);
  const twoOpts = Buffer.concat([changed(10, 2), opt, opt]);
  it.each([
    ['no question', changed(4, 0), CODES.FORMERR],
    ['two questions', changed(4, 2), CODES.FORMERR],
    ['bytes behind it', Buffer.concat([plain, Buffer.from([0])]), CODES.FORMERR],
    ['a record that is not there', changed(10, 1), CODES.FORMERR],
    ['two OPT records', twoOpts, CODES.FORMERR],
    ['a compressed name', Buffer.concat([plain.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]), CODES.FORMERR],
    ['a name of 257 bytes', writeQuery({ name: 'a.'.repeat(127).concat('b') }), CODES.FORMERR],
    ['another class', writeQuery({ name: 'web', class: 3 }), CODES.NOTIMP],
    ['a zone transfer', writeQuery({ name: 'web', type: TYPES.AXFR }), CODES.NOTIMP],
    ['an update', writeQuery({ name: 'web', opcode: 5 }), CODES.NOTIMP],
  ])('%s', (_, query, code) => {
    expect(ask(query)).toMatchObject({ isAnswer: true, code, answers: [], id: 0x1234 });
  });

  it('a version of EDNS to come is refused by its code', () => {
    const bytes = Buffer.concat([changed(10, 1), opt]);
    bytes.writeUInt8(1, plain.length + 6);
    const [answer = ''] = answersOf(driver, all, [bytes]);
    if (typeof answer === 'string') throw new Error(answer);
    // BADVERS is 16: its upper bits are in the record (RFC 6891 section 6.1.3)
    expect(answer.readUInt8(answer.length - 6)).toBe(1);
    expect(readMessage(answer)).toMatchObject({ code: 0, answers: [] });
  });

  it.each([
    ['answers', writeAnswer(plain, ['10.0.0.1'])],
    ['less than a header', plain.subarray(0, 11)],
  ])('%s get nothing', (_, bytes) => {
    expect(ask(bytes)).toBe('nothing');
  });
});

describe('any bytes', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9-]{1,20}$/);
  const query = fc.record({
    id: fc.nat(65535),
    name: fc.array(label, { maxLength: 6 }).map((labels) => labels.join('.')),
    type: fc.nat(65535),
  });

  it('a query of any name and type has an answer with the same question', () => {
    const cases = fc.sample(query, { numRuns: rounds(2000, 50_000), seed });
    const answers = answersOf(driver, all, cases.map(writeQuery));
    for (const [i, asked] of cases.entries()) {
      const answer = answers[i];
      if (answer === undefined || typeof answer === 'string') throw new Error(`${JSON.stringify(asked)}: ${answer}`);
      expect(readMessage(answer)).toMatchObject({ id: asked.id, name: asked.name, type: asked.type, isAnswer: true });
    }
  });

  it('a query with changed bytes has a whole answer or none', () => {
    const change = fc.tuple(query, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 8 }), fc.nat(80));
    const cases = fc.sample(change, { numRuns: rounds(2000, 50_000), seed }).map(([asked, changes, cut]) => {
      const bytes = writeQuery({ ...asked, edns: 1232 });
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return cut < 20 ? bytes.subarray(0, Math.max(1, bytes.length - cut)) : bytes;
    });
    for (const answer of answersOf(driver, all, cases)) {
      if (typeof answer !== 'string') expect(readMessage(answer).isAnswer).toBe(true);
      else expect(answer).toBe('nothing');
    }
  });
});

describe('the file of a member', () => {
  it.each([
    ['an address that is none', 'front 10.89.0.256 web'],
    ['no names', 'front 10.89.0.2'],
    ['a name with a space too many', 'front 10.89.0.2 web  www'],
    ['a label of 64 bytes', `front 10.89.0.2 ${'a'.repeat(64)}`],
    ['an empty label', 'front 10.89.0.2 a..b'],
    ['no addresses', 'front  web'],
  ])('tells nothing with %s, in any of its lines', (_, line) => {
    const file = member('wrong', 'front 10.89.0.7 right', line);
    expect(ask({ name: 'right' }, { files: [file] })).toMatchObject({ code: CODES.NXDOMAIN });
  });

  it('may have names as long as DNS allows', () => {
    const name = [63, 63, 63, 61].map((size) => 'a'.repeat(size)).join('.');
    expect(writeName(name)).toHaveLength(255);
    const file = member('long', `front 10.89.0.7 ${name}`);
    expect(ask({ name }, { files: [file] })).toMatchObject({ answers: [{ data: '10.89.0.7' }] });
  });
});
