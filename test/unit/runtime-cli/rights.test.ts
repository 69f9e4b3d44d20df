import { describe, expect, it } from 'vitest';
import { rightsOf } from '../../../lib/runtime-cli/caller/rights.js';
import { rootlessOf } from '../../../lib/runtime-cli/rootless-flag.js';

const WHOLE = '         0          0 4294967295\n';
const PART = '         0      61234          1\n         1     700000      65536\n';
const asks = { uid: 0, uidMap: WHOLE, setgroups: 'allow\n', rootless: null, systemd: false };

describe('the rights of whoever runs the runtime', () => {
  it.each([
    ['the machine’s root', {}, { isUser: false, isConfined: false, skipsGroups: false }],
    ['root of a user namespace', { uidMap: PART }, { isUser: false, isConfined: true, skipsGroups: true }],
    ['root of a user namespace with systemd', { uidMap: PART, systemd: true }, { isUser: false, isConfined: true, skipsGroups: false }],
    ['an ordinary user', { uid: 1000 }, { isUser: true, isConfined: true, skipsGroups: true }],
    ['an ordinary user who wants groups', { uid: 1000, rootless: false }, { isUser: true, isConfined: true, skipsGroups: false }],
    ['root who does without groups', { rootless: true }, { isUser: false, isConfined: false, skipsGroups: true }],
  ])('are those of %s', (_, changes, rights) => {
    expect(rightsOf({ ...asks, ...changes })).toEqual({ ...rights, deniesSetgroups: false });
  });

  it('leave out a change of groups where the kernel refuses it', () => {
    expect(rightsOf({ ...asks, uidMap: PART, setgroups: 'deny\n' }).deniesSetgroups).toBe(true);
  });
});

describe('--rootless', () => {
  it('is what Go reads as true and false, or left to the runtime', () => {
    expect(['1', 't', 'TRUE', 'true'].map(rootlessOf)).toEqual([true, true, true, true]);
    expect(['0', 'F', 'False', 'false'].map(rootlessOf)).toEqual([false, false, false, false]);
    expect([null, '', 'auto'].map(rootlessOf)).toEqual([null, null, null]);
    expect(() => rootlessOf('yes')).toThrow('for flag -rootless');
  });
});
