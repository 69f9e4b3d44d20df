import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../../../lib/network/address.js';
import { dnsNamesOf, isName, memberText } from '../../../../lib/network/names/member.js';

const id = '3f2a9c0d1e2f4a5b8c7d6e5f4a3b2c1d';
const own = ['3f2a9c0d1e2f', id];
const cidr = (text: string) => {
  const read = parseCidr(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
};

describe('the names of a container', () => {
  it('are its name, host name and aliases, then its id, each once and in lower case', () => {
    expect(dnsNamesOf({ id, name: 'Web', hostname: 'front' }, ['WWW', 'web'])).toEqual(['web', 'front', 'www', ...own]);
    expect(dnsNamesOf({ id, name: null, hostname: null }, [])).toEqual(own);
  });

  it('are without those that no query can ask for', () => {
    expect(dnsNamesOf({ id, name: 'w'.repeat(64), hostname: 'a..b' }, [])).toEqual(own);
    expect(dnsNamesOf({ id, name: 'web.', hostname: 'w'.repeat(63) }, [])).toEqual(['w'.repeat(63), ...own]);
  });

  it('are names that a query can ask for', () => {
    for (const name of ['', ' ', 'a b', 'a\nb', '.', 'a.', '.a', `${'a.'.repeat(126)}ab`]) expect(isName(name), name).toBe(false);
    for (const name of ['a', 'a.b', '_x', 'ä', `${'a.'.repeat(126)}a`]) expect(isName(name), name).toBe(true);
  });
});

describe("a member's file", () => {
  it('has a line for each network', () => {
    const places = [
      { network: 'front', addresses: [cidr('10.89.0.2/24'), cidr('fd00:1::2/64')], names: ['web', 'www'] },
      { network: 'back', addresses: [cidr('10.90.0.2/24')], names: ['web'] },
    ];
    expect(memberText(places)).toBe('front 10.89.0.2,fd00:1::2 web www\nback 10.90.0.2 web\n');
  });

  it('has no other line or word, whatever the container is called', () => {
    const word = fc.string({ unit: 'binary', maxLength: 70 });
    fc.assert(
      fc.property(word, word, fc.array(word, { maxLength: 3 }), (name, hostname, aliases) => {
        const names = dnsNamesOf({ id, name, hostname }, aliases);
        const text = memberText([{ network: 'front', addresses: [cidr('10.89.0.2/24')], names }]);
        return (
          text === `front 10.89.0.2 ${names.join(' ')}\n` && text.split('\n').length === 2 && text.split(' ').length === 2 + names.length
        );
      }),
    );
  });
});
