import { expect, test } from 'vitest';
import { parseBuildOptions } from '../../../lib/build/execute/build-options.js';
import { defaultNetwork } from '../../../lib/build/execute/default-network.js';

test.each([
  [true, true, 'bridge'],
  [true, false, 'bridge'],
  [false, true, 'pasta'],
  [false, false, 'none'],
] as const)('the default network for root (%s), with pasta (%s), is %s', (isRoot, hasPasta, wanted) => {
  expect(defaultNetwork(isRoot, () => hasPasta)).toBe(wanted);
});

test('a build has the default network where it asks for that', () => {
  expect(parseBuildOptions({ network: 'default' }).network).toBe(defaultNetwork());
  expect(parseBuildOptions({}).network).toBe('none');
});

test('a build is told when there is none', () => {
  expect(parseBuildOptions({ network: 'default' }, () => 'none')).toMatchObject({ network: 'none', lacksNetwork: true });
  expect(parseBuildOptions({ network: 'default' }, () => 'pasta')).toMatchObject({ network: 'pasta', lacksNetwork: false });
  expect(parseBuildOptions({ network: 'none' }, () => 'none').lacksNetwork).toBe(false);
});
