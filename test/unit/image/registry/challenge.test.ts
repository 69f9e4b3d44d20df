import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../../../lib/image/registry/challenge.js';

describe('parseChallenges', () => {
  it.each([
    ['Basic realm="x"', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'https://auth.example/token', service: 'registry.example', scope: 'repository:a/b:pull,push' },
        },
      ],
    ],
    ['BEARER Realm = "a\\"b\\\\c" , service=plain', [{ scheme: 'bearer', parameters: { realm: 'a"b\\c', service: 'plain' } }]],
    [
      'Basic realm="x", Bearer realm="y"',
      [
        { scheme: 'basic', parameters: { realm: 'x' } },
        { scheme: 'bearer', parameters: { realm: 'y' } },
      ],
    ],
    ['Negotiate', [{ scheme: 'negotiate', parameters: {} }]],
    [
      'Negotiate, Basic realm=""',
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: '' } },
      ],
    ],
    ['', []],
    [undefined, []],
    ['"', []],
  ])('%j', (header, challenges) => expect(parseChallenges(header)).toEqual(challenges));

  it('takes several fields', () => {
    expect(parseChallenges(['Basic realm="x"', 'Bearer realm="y"']).map(({ scheme }) => scheme)).toEqual(['basic', 'bearer']);
  });

  it('reads what was quoted, whatever it is', () => {
    const name = fc.stringMatching(/^[a-z]{1,8}$/);
    const parameters = fc.dictionary(name, fc.string({ unit: 'grapheme' }), { minKeys: 1 });
    fc.assert(
      fc.property(parameters, (given) => {
        const quoted = Object.entries(given).map(([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`);
        expect(parseChallenges(`Bearer ${quoted.join(', ')}`)).toEqual([{ scheme: 'bearer', parameters: { ...given } }]);
      }),
    );
  });

  it('comes to an end on anything', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(Array.isArray(parseChallenges(text))).toBe(true);
      }),
    );
  });
});
