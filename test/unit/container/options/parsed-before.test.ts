import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { ParsedBefore } from '../../../../lib/container/options/parsed-before.js';

/** Whether options that were checked are known again when these are given. */
function isKnown(checked: unknown, given: unknown, folders: readonly [string, string] = ['/', '/']): boolean {
  const before = new ParsedBefore<string>();
  before.keep(checked, folders[0], 'parsed');
  return before.find(given, folders[1]) === 'parsed';
}

const plain = () => ({ image: 'host', command: ['a', 'b'], env: { A: '1', B: undefined }, memory: 1, init: false, nothing: null });

describe('options that were checked before', () => {
  it('are known again by what they say', () => {
    expect(isKnown(plain(), plain())).toBe(true);
    expect(isKnown({ timeout: Number.NaN }, { timeout: Number.NaN })).toBe(true);
  });

  it.each([
    { ...plain(), command: ['a', 'c'] },
    { ...plain(), command: ['a'] },
    { ...plain(), command: ['a', 'b', 'c'] },
    { ...plain(), command: { 0: 'a', 1: 'b', length: 2 } },
    { ...plain(), env: { A: '1' } },
    { ...plain(), env: { B: undefined, A: '1' } },
    { ...plain(), env: null },
    { ...plain(), memory: '1' },
    { ...plain(), more: undefined },
    Object.assign(Object.create({ inherited: true }), plain()),
    null,
    undefined,
    'text',
  ])('are not taken for others: %j', (given) => {
    expect(isKnown(plain(), given)).toBe(false);
  });

  it('are not known in another working folder, where a relative path is another', () => {
    expect(isKnown(plain(), plain(), ['/', '/tmp'])).toBe(false);
  });

  it.each([
    ['a function', { onDenied: () => undefined }],
    ['a signal', { cancelSignal: new AbortController().signal }],
    ['bytes', { input: new Uint8Array(1) }],
    ['an object of a class', { command: [new Map()] }],
    ['more text than is worth it', { input: 'x'.repeat(5000) }],
    ['more values than are worth it', { command: Array.from({ length: 300 }, () => 'x') }],
    ['a name that objects have anyway', JSON.parse('{ "env": { "__proto__": "x" } }')],
  ])('are checked each time with %s', (_, options) => {
    expect(isKnown(options, options)).toBe(false);
  });

  it('are copied: what the caller changes later is another', () => {
    const options = plain();
    const before = new ParsedBefore<string>();
    before.keep(options, '/', 'parsed');
    options.command.push('c');
    expect(before.find(options, '/')).toBeUndefined();
    expect(before.find(plain(), '/')).toBe('parsed');
  });

  it('are a few, of which the one goes that was not wanted for longest', () => {
    const before = new ParsedBefore<number>();
    const sizes = Array.from({ length: 16 }, (_, i) => i + 1);
    for (const n of sizes) before.keep({ memory: n }, '/', n);
    expect(before.find({ memory: 1 }, '/')).toBe(1);
    before.keep({ memory: 17 }, '/', 17);
    const found = [...sizes, 17].map((memory) => before.find({ memory }, '/'));
    expect(found).toEqual([1, undefined, ...sizes.slice(2), 17]);
  });
});

describe('the options of a run', () => {
  it('are the same as if they had been checked anew', () => {
    const options = { image: 'host', command: ['true'], labels: { a: 'b' }, memory: '64m', env: { A: 'b' } };
    const first = structuredClone(parseRunOptions(options));
    expect(parseRunOptions({ ...options })).toEqual(first);
    expect(parseRunOptions({ ...options, env: { A: 'c' } })).toEqual({ ...first, process: { ...first.process, env: { A: 'c' } } });
  });

  it('are wrong each time', () => {
    const wrong = { image: 'host', command: ['true'], memory: 'much' };
    for (let i = 0; i < 2; i++) expect(() => parseRunOptions({ ...wrong })).toThrow(/memory/);
  });

  it('share no labels, which whoever lists a container gets', () => {
    const options = { image: 'host', command: ['true'], labels: { a: 'b' } };
    Object.assign(parseRunOptions(options).labels, { c: 'd' });
    expect(parseRunOptions(options).labels).toEqual({ a: 'b' });
  });

  it('are known again with a Network, of which they take the name', () => {
    class Handle {
      readonly name: string;
      readonly driver = 'bridge';
      constructor(name: string) {
        this.name = name;
      }
      inspect(): void {}
    }
    const on = (network: unknown) => parseRunOptions({ image: 'host', command: ['true'], network });
    const first = on(new Handle('shop'));
    expect(first).toEqual(on('shop'));
    expect(on(new Handle('shop')).networks).toBe(first.networks);
    expect(on(new Handle('other')).networks).toMatchObject([{ name: 'other' }]);
    expect(() => on({ name: 'shop' })).toThrow(/network/);
  });
});
