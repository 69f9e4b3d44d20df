import fc from 'fast-check';
import { beforeAll, expect } from 'vitest';
import { CODES, type DnsQuery, readMessage, TYPES, writeName, writeQuery } from '../../fixtures/dns.js';
import { egressDriver, egressLines } from '../../fixtures/egress.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';

const { describe, it } = requires({ tools: [DRIVER_COMPILER] });

let driver = '';
beforeAll(async () => {
  driver = await egressDriver();
});

const rules = ['allow a.example 0', 'allow *.b.example 443', 'deny x.b.example 0'];

interface Asked {
  readonly message: ReturnType<typeof readMessage> | null;
  readonly refused: string;
}

function askAll(queries: readonly (DnsQuery | string)[], { most = 4096, family = 6, protocol = 'udp' } = {}): Asked[] {
  const lines = queries.map((query) =>
    typeof query === 'string' ? query : `dns ${protocol} ${family} ${writeQuery(query).toString('hex')}`,
  );
  return egressLines(driver, rules, lines, most).map((line) => {
    const [bytes = '', refused = ''] = line.split(' ');
    return { message: /^[0-9a-f]{24,}$/.test(bytes) ? readMessage(Buffer.from(bytes, 'hex')) : null, refused: refused || bytes };
  });
}
const addressOf = (asked: Asked | undefined): string => asked?.message?.answers[0]?.data ?? '';

describe('an allowed name', () => {
  it('has an address of each family that leads to it alone, the same in any case', () => {
    const names = ['a.example', 'A.eXample', '1.b.example', '2.1.b.example'];
    const found = askAll([
      ...names.map((name) => ({ name })),
      { name: 'a.example', type: TYPES.AAAA },
      { name: 'a.example', type: TYPES.ANY },
    ]);
    expect(found.map(addressOf)).toEqual([
      '198.18.0.2',
      '198.18.0.2',
      '198.18.0.3',
      '198.18.0.4',
      'fd6e6163656c6c650000000000000002',
      '198.18.0.2',
    ]);
    expect(found[1]?.message).toMatchObject({ code: CODES.NOERROR, name: 'A.eXample', recurses: true, answers: [{ ttl: 0 }] });
    expect(found[5]?.message?.answers).toHaveLength(2);
    expect(askAll([{ name: 'a.example', type: TYPES.AAAA }], { family: 4 })[0]?.message).toMatchObject({
      code: CODES.NOERROR,
      answers: [],
    });
    const meant = egressLines(driver, rules, [
      `dns udp 6 ${writeQuery({ name: 'A.example' }).toString('hex')}`,
      'meant 198.18.0.2',
      'meant fd6e:6163:656c:6c65::2',
      'meant 198.18.0.3',
      'meant 8.8.8.8',
      'meant 10.0.0.2',
    ]);
    expect(meant.slice(1)).toEqual(['a.example', 'a.example', '-', '-', '-']);
  });

  it('has no record of another type: no HTTPS, no text, no mail', () => {
    for (const asked of askAll([TYPES.HTTPS, 64, TYPES.MX, TYPES.TXT, 5, 2, 33, 10].map((type) => ({ name: 'a.example', type })))) {
      expect(asked).toMatchObject({ message: { code: CODES.NOERROR, answers: [] }, refused: '-' });
    }
  });

  it('is told by its address', () => {
    const reverse = { name: '2.0.18.198.in-addr.arpa', type: TYPES.PTR };
    const [before, , after] = askAll([reverse, { name: '1.b.example' }, reverse]);
    expect(before).toMatchObject({ message: { code: CODES.NXDOMAIN, answers: [] }, refused: '-' });
    expect(after?.message?.answers).toMatchObject([{ type: TYPES.PTR, data: '1.b.example' }]);
  });
});

describe('another name', () => {
  it('does not exist, of any type, and is told when addresses are asked for', () => {
    const names = ['b.example', 'x.b.example', 'a.example.org', 'data-in-a-label.tunnel.example', 'localhost', ''];
    for (const asked of askAll(names.map((name) => ({ name })))) expect(asked.message).toMatchObject({ code: CODES.NXDOMAIN, answers: [] });
    expect(askAll(names.map((name) => ({ name }))).map(({ refused }) => refused)).toEqual([...names.slice(0, -1), '-']);
    for (const asked of askAll([TYPES.TXT, TYPES.HTTPS, TYPES.MX].map((type) => ({ name: 'evil.example', type })))) {
      expect(asked).toMatchObject({ message: { code: CODES.NXDOMAIN }, refused: '-' });
    }
  });

  it('can not look like an allowed one by a dot in a label', () => {
    const query = writeQuery({ name: 'a.example' });
    const dotted = Buffer.concat([query.subarray(0, 12), Buffer.from('\x09a.example\0', 'latin1'), query.subarray(-4)]);
    const inside = Buffer.concat([query.subarray(0, 12), Buffer.from('\x05x.y.z'), writeName('b.example'), query.subarray(-4)]);
    const found = egressLines(
      driver,
      rules,
      [dotted, inside].map((bytes) => `dns udp 6 ${bytes.toString('hex')}`),
    );
    for (const line of found)
      expect(readMessage(Buffer.from(line.split(' ')[0] ?? '', 'hex'))).toMatchObject({ code: CODES.NXDOMAIN, answers: [] });
  });

  it('gets an answer to whatever is asked of it, and answers get none', () => {
    expect(
      askAll([
        { name: 'a.example', class: 3 },
        { name: 'a.example', opcode: 5 },
        { name: 'a.example', type: TYPES.AXFR },
      ]).map(({ message }) => message?.code),
    ).toEqual([CODES.NOTIMP, CODES.NOTIMP, CODES.NOTIMP]);
    const answer = writeQuery({ name: 'a.example' });
    answer.writeUInt8(0x81, 2);
    expect(egressLines(driver, rules, [`dns udp 6 ${answer.toString('hex')}`])).toEqual(['nothing -']);
  });
});

describe('the names that have addresses', () => {
  it('are bounded: the one that was not asked for longest goes, and its address means nothing then', () => {
    const asks = ['1.b.example', '2.b.example', '1.b.example', '3.b.example', '2.b.example'].map((name) => ({ name }));
    const found = askAll(asks, { most: 2 });
    expect(found.map(addressOf)).toEqual(['198.18.0.2', '198.18.0.3', '198.18.0.2', '198.18.0.4', '198.18.0.5']);
    const lines = asks.slice(0, 4).map((query) => `dns udp 6 ${writeQuery(query).toString('hex')}`);
    const meant = egressLines(driver, rules, [...lines, 'meant 198.18.0.2', 'meant 198.18.0.3', 'meant 198.18.0.4'], 2).slice(4);
    expect(meant).toEqual(['1.b.example', '-', '3.b.example']);
  });

  it('have them from anywhere on, in a circle', () => {
    const last = 2 ** 17 - 3;
    const lines = [0, 1, last - 2, last - 1, 0xffff_ffff].map((start) => `start ${start}`);
    expect(egressLines(driver, [], lines)).toEqual([
      'c6120002 c6120003',
      'c6120003 c6120004',
      'c613fffd c6120002',
      'c6120002 c6120003',
      expect.stringMatching(/^c61[23][0-9a-f]{4} c61[23][0-9a-f]{4}$/),
    ]);
  });

  it('are as many as there may be, whatever is asked, and no two have one address', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 8 }),
        (asked, most) => {
          // the model: a list, the oldest first
          const model: number[] = [];
          for (const one of asked) {
            const at = model.indexOf(one);
            if (at >= 0) model.splice(at, 1);
            else if (model.length === most) model.shift();
            model.push(one);
          }
          const found = askAll(
            asked.map((one) => ({ name: `${one}.b.example` })),
            { most },
          );
          const last = new Map(asked.map((one, i) => [addressOf(found[i]), one]));
          const lines = asked.map((one) => `dns udp 6 ${writeQuery({ name: `${one}.b.example` }).toString('hex')}`);
          const addresses = [...last.keys()];
          const meant = egressLines(driver, rules, [...lines, ...addresses.map((address) => `meant ${address}`)], most).slice(asked.length);
          const alive = addresses.filter((_, i) => meant[i] !== '-');
          expect(alive.map((address) => last.get(address)).sort()).toEqual([...model].sort());
          expect(meant.filter((name) => name !== '-').sort()).toEqual(model.map((one) => `${one}.b.example`).sort());
        },
      ),
      { numRuns: rounds(30, 500), seed },
    );
  });

  it('go around all addresses before one is used again', () => {
    const count = 131_068;
    const lines = Array.from({ length: count + 1 }, (_, i) => `dns udp 4 ${writeQuery({ name: `${i}.b.example` }).toString('hex')}`);
    const found = egressLines(driver, rules, lines, 4).map((line) => line.slice(-10, -2));
    expect(new Set(found.slice(0, count)).size).toBe(count);
    expect([found[0], found[count - 1], found[count]]).toEqual(['c6120002', 'c613fffd', 'c6120002']);
  });
});
