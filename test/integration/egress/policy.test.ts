import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { beforeAll, expect } from 'vitest';
import { egressDriver, egressLines } from '../../fixtures/egress.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';

const { describe, it } = requires({ tools: [DRIVER_COMPILER] });

let driver = '';
beforeAll(async () => {
  driver = await egressDriver();
});

/** Which of the questions are answered with yes. */
function yes(rules: readonly string[], questions: readonly string[]): string[] {
  const answers = egressLines(driver, rules, questions);
  return questions.filter((_, i) => answers[i] === 'yes');
}

describe('names', () => {
  const rules = [
    'allow a.example 0',
    'allow *.b.example 443',
    'allow C.example 22',
    'deny x.b.example 0',
    'deny *.x.b.example 0',
    'deny c.example 23',
  ];

  it('exist when some port of theirs is allowed', () => {
    const known = ['a.example', '1.b.example', '2.1.b.example', 'c.example'];
    const unknown = [
      '',
      'example',
      'z.a.example',
      'b.example',
      'x.b.example',
      'y.x.b.example',
      'zb.example',
      'zzb.example',
      '.b.example',
      'a.example.org',
      'ca.example',
    ];
    const ask = (name: string): string => `knows ${name}`;
    expect(yes(rules, [...known, ...unknown].map(ask))).toEqual(known.map(ask));
  });

  it('are allowed at their ports', () => {
    const allowed = ['name a.example 1', 'name a.example 65535', 'name 1.b.example 443', 'name c.example 22'];
    const refused = [
      'name a.example 0',
      'name 1.b.example 80',
      'name x.b.example 443',
      'name c.example 23',
      'name c.example 443',
      'name d.example 443',
    ];
    expect(yes(rules, [...allowed, ...refused])).toEqual(allowed);
  });

  it('are all there with a star, but for those that are denied', () => {
    const star = ['allow * 443', 'deny *.evil.example 0', 'deny evil.example 80'];
    expect(
      yes(star, ['knows a', 'knows a.b', 'knows x.evil.example', 'knows evil.example', 'name evil.example 80', 'name evil.example 443']),
    ).toEqual(['knows a', 'knows a.b', 'knows evil.example', 'name evil.example 443']);
  });

  it.each([
    '',
    'allow',
    'allow a',
    'allow a 65536',
    'allow a -1',
    'allow a 08',
    'permit a 1',
    'allow  1',
    'allow a 1 ',
    'allow a..b 1',
    'allow *. 1',
    'allow *a.b 1',
    'allow 10.0.0.1/8 0',
    'allow 10.0.0.0/33 0',
  ])('come in rules that can be read, unlike %j', (rule) => {
    expect(() => egressLines(driver, [rule], ['knows a'])).toThrow('no rule');
  });
});

const WHERE = {
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1', 'fc00::1'],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fec0::1'],
  metadata: ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '168.63.129.16'],
  loopback: ['127.0.0.1', '127.255.255.255', '::1', '0.0.0.0', '::'],
  shared: ['100.64.0.1', '100.127.255.255'],
  reserved: [
    '192.0.2.1',
    '198.18.0.7',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '2001:db8::1',
    '3fff::1',
    '100::1',
    '5f00::1',
  ],
  'IPv4-mapped': ['::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:127.0.0.1'],
  'IPv4-compatible': ['::10.0.0.1', '::8.8.8.8'],
  NAT64: ['64:ff9b::10.0.0.1', '64:ff9b::169.254.169.254', '64:ff9b::127.0.0.1', '64:ff9b:1::808:808'],
  '6to4': ['2002:a00:1::1', '2002:a9fe:a9fe::1', '2002:7f00:1::1'],
  Teredo: ['2001:0:4136:e378:8000:63bf:3fff:fdd2'],
};

describe('an allowed name', () => {
  it.each(Object.entries(WHERE))('leads to no %s address, unless the list names it', (_, addresses) => {
    const ask = addresses.map((address) => `leads ${address} 443 other`);
    expect(yes(['allow * 0', 'allow 0.0.0.0/0 0', 'allow ::/0 0'], ask)).toEqual([]);
  });

  it('leads to public addresses, also by a translator', () => {
    const ask = [
      '8.8.8.8',
      '172.32.0.1',
      '172.15.255.255',
      '100.128.0.1',
      '198.20.0.1',
      '223.255.255.255',
      '2606:4700::1',
      '::ffff:8.8.8.8',
      '64:ff9b::8.8.8.8',
      '2002:808:808::1',
    ];
    expect(
      yes(
        ['allow a 0'],
        ask.map((address) => `leads ${address} 443 other`),
      ),
    ).toHaveLength(ask.length);
  });

  it('leads to what the list names within its kind, in every form', () => {
    const ask = ['10.1.0.1', '::ffff:10.1.0.1', '64:ff9b::10.1.0.1', '2002:a01:1::1', 'fd00:1::1'].map(
      (address) => `leads ${address} 5432 other`,
    );
    expect(yes(['allow 10.1.0.0/16 5432', 'allow fd00:1::/32 0'], ask)).toEqual(ask);
    expect(yes(['allow 10.1.0.0/16 5433', 'allow 10.2.0.0/16 5432', 'allow fd00:2::/32 0'], ask)).toEqual([]);
    expect(yes(['allow 8.0.0.0/5 5432', 'allow f000::/4 0'], ask)).toEqual([]);
  });

  it('leads to no denied address, in no form', () => {
    const ask = ['8.8.8.8', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1'].map((address) => `leads ${address} 443 other`);
    expect(yes(['allow a 0', 'allow 8.8.8.8/32 0', 'deny 8.8.0.0/16 443'], ask)).toEqual([]);
    expect(yes(['allow a 0', 'deny 8.8.0.0/16 80'], ask)).toEqual(ask);
  });

  it("leads to the machine's own addresses by an entry for just that one", () => {
    const ask = ['leads 8.8.8.8 443 own', 'leads 10.1.0.1 443 own', 'leads 2606:4700::1 443 own'];
    expect(yes(['allow a 0', 'allow 8.8.8.0/31 0', 'allow 8.0.0.0/8 0', 'allow 10.1.0.0/16 0', 'allow ::/0 0'], ask)).toEqual([]);
    expect(yes(['allow 8.8.8.8/32 0', 'allow 10.1.0.1/32 443', 'allow 2606:4700::1/128 0'], ask)).toEqual(ask);
  });
});

describe('an address without a name', () => {
  it('is allowed by a subnet of its own form', () => {
    const rules = ['allow a.example 0', 'allow 10.1.0.0/16 5432', 'allow 8.8.8.8/32 0', 'allow 2606:4700::/32 443'];
    const allowed = ['address 10.1.0.1 5432', 'address ::ffff:10.1.0.1 5432', 'address 8.8.8.8 1', 'address 2606:4700::1 443'];
    const refused = [
      'address 10.1.0.1 5433',
      'address 10.2.0.1 5432',
      'address 8.8.8.9 1',
      'address 64:ff9b::8.8.8.8 1',
      'address 2002:808:808::1 1',
      'address 8.8.8.8 0',
    ];
    expect(yes(rules, [...allowed, ...refused])).toEqual(allowed);
  });

  it('lies in a subnet when it does by the reckoning of ipaddr.js', () => {
    const subnet = fc.oneof(fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })), fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })));
    fc.assert(
      fc.property(subnet, fc.array(fc.oneof(fc.ipV4(), fc.ipV6())), ([base, prefix], others) => {
        const kind = base.includes(':') ? ipaddr.IPv6 : ipaddr.IPv4;
        const front = kind.networkAddressFromCIDR(`${base}/${prefix}`);
        const inside = [front.toString(), kind.parse(base).toString(), ...others];
        // the only form of addresses that is another's
        const addresses = inside.filter((text) => !ipaddr.parse(text).toString().startsWith('::ffff:'));
        const matches = (text: string): boolean => {
          const address = ipaddr.parse(text);
          return address.kind() === front.kind() && address.match(front, prefix);
        };
        const ask = addresses.map((text) => `address ${text} 80`);
        expect(yes([`allow ${front}/${prefix} 0`], ask)).toEqual(ask.filter((_, i) => matches(addresses[i] ?? '')));
      }),
      { numRuns: rounds(100, 2000), seed },
    );
  });
});
