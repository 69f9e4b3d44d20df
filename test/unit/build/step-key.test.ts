import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type StepInput, stepKey } from '../../../lib/build/cache/step-key.js';
import { rounds, seed } from '../../fixtures/rounds.js';

const text = fc.string({ unit: 'binary', maxLength: 6 });
const common = { below: fc.array(text, { maxLength: 3 }), epoch: fc.option(fc.nat()) };
/** Each field has several values. */
const input: fc.Arbitrary<StepInput> = fc.oneof(
  fc.record({
    kind: fc.constant('run' as const),
    ...common,
    platform: text,
    words: fc.array(text, { maxLength: 3 }),
    files: fc.dictionary(text, fc.record({ content: text, mode: fc.nat(0o777) }), { maxKeys: 2 }),
    env: fc.array(fc.tuple(text, text), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    cwd: text,
    user: text,
    network: text,
    security: fc.constantFrom('sandbox' as const, 'insecure' as const),
    mounts: fc.array(fc.array(fc.oneof(text, fc.boolean(), fc.constant(null)), { maxLength: 3 }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant('copy' as const),
    ...common,
    content: text,
    target: text,
    chown: text,
    folderMode: fc.nat(),
    parents: fc.boolean(),
    unpacks: fc.constantFrom('none' as const, 'local' as const, 'all' as const),
  }),
  fc.record({ kind: fc.constant('workdir' as const), ...common, path: text, user: text }),
);

/** The same for equal inputs, written by other means than the key is. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([name, one]): [string, unknown] => [name, plain(one)])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function reversed(one: StepInput): StepInput {
  if (one.kind !== 'run') return one;
  return { ...one, env: new Map([...one.env].toReversed()), files: Object.fromEntries(Object.entries(one.files).toReversed()) };
}

const settings = { seed, numRuns: rounds(300, 20_000) };

describe('stepKey', () => {
  test('is equal for equal inputs, in whatever order variables and scripts come', () => {
    fc.assert(
      fc.property(input, (one) => {
        expect(stepKey(structuredClone(one))).toBe(stepKey(one));
        expect(stepKey(reversed(one))).toBe(stepKey(one));
      }),
      settings,
    );
  });

  test('differs for any two inputs that differ', () => {
    fc.assert(
      fc.property(input, input, (one, other) => {
        expect(stepKey(one) === stepKey(other)).toBe(JSON.stringify(plain(one)) === JSON.stringify(plain(other)));
      }),
      settings,
    );
  });

  test('differs when any one field is another one', () => {
    fc.assert(
      fc.property(input, input, fc.nat(), (one, other, at) => {
        fc.pre(one.kind === other.kind);
        const names = Object.keys(one);
        const name = names[at % names.length] ?? '';
        const mixed = { ...one, ...Object.fromEntries(Object.entries(other).filter(([key]) => key === name)) };
        const isSame = JSON.stringify(plain(mixed)) === JSON.stringify(plain(one));
        expect(stepKey(mixed) === stepKey(one)).toBe(isSame);
      }),
      settings,
    );
  });

  test.each<[StepInput, StepInput]>([
    [workdir({ below: ['a', 'b'] }), workdir({ below: ['ab'] })],
    [workdir({ path: 'a', user: '' }), workdir({ path: '', user: 'a' })],
    [workdir({ epoch: 0 }), workdir({ epoch: null })],
  ])('%j is not %j', (one, other) => {
    expect(stepKey(one)).not.toBe(stepKey(other));
  });

  test('stays what it is', () => {
    // by sha256sum of [5,"workdir",[],null,"/",""]; whoever changes this raises the version
    expect(stepKey(workdir({}))).toBe('sha256:21dea03aada359e7d6051850292c519cbf6ed86ff4750607de9a95aedc7f7056');
  });
});

function workdir(parts: Partial<StepInput & { kind: 'workdir' }>): StepInput {
  return { kind: 'workdir', below: [], epoch: null, path: '/', user: '', ...parts };
}
