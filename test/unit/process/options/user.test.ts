import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkSignal, describeSignal, signalName, signalNumber } from '../../../../lib/process/options/signals.js';
import { checkGroup, checkUser } from '../../../../lib/process/options/user.js';

describe('checkUser', () => {
  it.each(['root', '0', '1000', '1000:1000', 'www-data:adm', 'machine$', '_apt', '4294967294', '0:0', 'john.doe', 'corp\\jo', 0, 1000])(
    'takes %j',
    (user) => expect(checkUser(user)).toEqual({ user: String(user) }),
  );

  it.each([
    '',
    ':',
    ':0',
    '0:',
    '0001',
    '00',
    '4294967295',
    '99999999999',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '0:0:0',
    'a b',
    'a/b',
    'ａ',
    '0:01',
    -1,
  ])('refuses %j', (user) => expect(checkUser(user)).toHaveProperty('problem'));

  it('takes a number for what it is, and in one spelling only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xfffffffe }), fc.integer({ min: 1, max: 4 }), (uid, zeros) => {
        expect(checkUser(uid)).toEqual({ user: String(uid) });
        expect(checkUser('0'.repeat(zeros) + uid)).toHaveProperty('problem');
      }),
    );
  });

  it('gives back what it took, unchanged, or refuses it', () => {
    fc.assert(
      fc.property(fc.string(), (user) => {
        const checked = checkUser(user);
        if ('user' in checked) expect(checked.user).toBe(user);
        else expect(checked.problem).not.toBe('');
        // Nothing that a shell or a passwd file would read in another way gets through.
        if (/[\s\0/]|:.*:|^-/.test(user)) expect(checked).toHaveProperty('problem');
      }),
    );
  });
});

describe('checkGroup', () => {
  it.each(['root', '0', 'www-data', 0, 1000, '4294967294'])('takes %j', (group) => {
    expect(checkGroup(group)).toEqual({ group: String(group) });
  });

  it.each(['', '0:0', '01', -1, 4294967295, 'a b', 'a\n'])('refuses %j', (group) => expect(checkGroup(group)).toHaveProperty('problem'));
});

describe('signals', () => {
  it('have numbers and usual names', () => {
    expect(signalNumber('SIGTERM')).toBe(15);
    expect(signalNumber(64)).toBe(64);
    expect([signalName(6), signalName(29), signalName(34)]).toEqual(['SIGABRT', 'SIGIO', null]);
    expect(describeSignal(34)).toBe('signal 34');
  });

  it.each(['TERM', 'sigterm', 'SIGNOPE', '', 0, 65, -9, 1.5, Number.NaN, null, {}])('refuses %j', (value) =>
    expect(checkSignal(value)).toHaveProperty('problem'),
  );

  it('names the option', () => {
    const call = (): number => signalNumber(99, 'killSignal');
    expect(call).toThrow('option killSignal: must be a signal from 1 to 64, not 99');
  });
});
