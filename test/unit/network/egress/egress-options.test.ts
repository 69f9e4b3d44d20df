import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { egress, egressRules, egressShape } from '../../../../lib/network/egress/egress-options.js';
import { parseEgressTarget } from '../../../../lib/network/egress/egress-target.js';
import { parseOptions } from '../../../../lib/options/parse-options.js';

const schema = z.strictObject({ egress: z.strictObject(egressShape) });
const rules = (allow: readonly string[], deny?: readonly string[]): string[] =>
  egressRules(parseOptions(schema, { egress: { allow, ...(deny && { deny }) } }, 'options').egress);

describe('an entry', () => {
  it.each([
    ['registry.example.org', 'registry.example.org 0'],
    ['Registry.Example.ORG.:443', 'registry.example.org 443'],
    ['*.example.com:443', '*.example.com 443'],
    ['*', '* 0'],
    ['*:22', '* 22'],
    ['localhost', 'localhost 0'],
    ['_dmarc.xn--bcher-kva.example', '_dmarc.xn--bcher-kva.example 0'],
    ['3com.example:65535', '3com.example 65535'],
    ['10.1.0.0/16:5432', '10.1.0.0/16 5432'],
    ['10.1.0.0/16', '10.1.0.0/16 0'],
    ['10.1.2.3:1', '10.1.2.3/32 1'],
    ['0.0.0.0/0', '0.0.0.0/0 0'],
    ['fd00::/8', 'fd00::/8 0'],
    ['[FD00::/8]:443', 'fd00::/8 443'],
    ['[2001:4860:4860:0::8888]', '2001:4860:4860::8888/128 0'],
    ['::/0', '::/0 0'],
  ])('%s', (entry, rule) => {
    expect(rules([entry])).toEqual([`allow ${rule}`]);
    expect(rules(['a'], [entry])).toEqual(['allow a 0', `deny ${rule}`]);
  });

  it.each([
    ['https://example.org', 'is a URL'],
    ['', 'is no name'],
    ['example..org', 'is no name'],
    ['-a.org', 'is no name'],
    ['a b', 'is no name'],
    ['a/b', 'is no name'],
    ['1.2.3.x4.5', 'is no name'],
    ['a.7', 'is no name'],
    [`${'a'.repeat(64)}.org`, 'is no name'],
    ['a.*.org', "has a '*' that is not its first part"],
    ['*a.org', "has a '*' that is not its first part"],
    ['*.', "has a '*' that is not its first part"],
    ['Bücher.example', "give 'xn--bcher-kva.example'"],
    ['*.bücher.example', "give '*.xn--bcher-kva.example'"],
    ['a:0', 'has no port'],
    ['a:65536', 'has no port'],
    ['a:', 'has no port'],
    ['a:080', 'has no port'],
    ['a:http', 'has no port'],
    ['1.2.3', 'is no address'],
    ['1.2.3.4.5', 'is no address'],
    ['01.2.3.4', 'is no address'],
    ['1.2.3.4/33', 'has no prefix'],
    ['1.2.3.4/', 'has no prefix'],
    ['1.2.3.4/08', 'has no prefix'],
    ['1.2.3.4/8/8', 'is no address'],
    ['10.1.2.3/16', 'is an address in the subnet 10.1.0.0/16'],
    ['fe80::1%eth0', 'is no address'],
    ['[a.org]:443', "is not as '[fd00::/8]:443' is"],
    ['[fd00::/8]443', "is not as '[fd00::/8]:443' is"],
    ['127.0.0.1:80', "the container's own loopback"],
    ['::1', "the container's own loopback"],
    ['198.18.0.0/16', 'stand for names'],
    ['fd6e:6163:656c:6c65::/64', 'stand for names'],
    ['224.0.0.1', 'are multicast'],
    ['ff02::1', 'are multicast'],
    ['::ffff:10.0.0.1', "are IPv4's"],
  ])('%j is refused', (entry, why) => {
    const problem = (option: string) => expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(option) });
    expect(() => rules(['example.org', entry])).toThrow(problem('^option egress\\.allow\\[1\\]: '));
    expect(() => rules(['example.org', entry])).toThrow(why);
    expect(() => rules(['example.org'], [entry])).toThrow(problem('^option egress\\.deny\\[0\\]: '));
  });

  it('is needed: a list without any is a slip', () => {
    expect(() => rules([])).toThrow('option egress.allow: must be at least 1 items long');
  });

  it('has room beside 32 KiB of others, and no more', () => {
    // 'allow ' and ' 0' make 32 bytes of each
    const names = Array.from({ length: 1024 }, (_, i) => `${String(i).padStart(6, 'a')}.${'b'.repeat(17)}`);
    const parse = (allow: readonly string[], deny: readonly string[] = []) =>
      parseOptions(z.object({ egress }), { egress: { allow, deny } }, 'options');
    expect(parse(names).egress.rules.join('')).toHaveLength(32_768);
    const error = expect.objectContaining({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringMatching('^option egress: has more than 32768 bytes'),
    });
    expect(() => parse([...names, 'a'])).toThrow(error);
    expect(() => parse(names, ['a'])).toThrow(error);
  });

  it('is a text of three words, whatever is given, or a problem in words', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6(), fc.webAuthority()), (value) => {
        const read = parseEgressTarget(value);
        if (typeof read === 'string') expect(read).toMatch(/^'.*' (is|has|can't)/s);
        else expect(rules([value])[0]).toMatch(/^allow [a-z0-9_.:*/-]+ \d{1,5}$/);
      }),
    );
  });
});
