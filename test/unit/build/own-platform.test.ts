import { expect, test } from 'vitest';
import { requirePlatform } from '../../../lib/build/execute/own-platform.js';
import { currentPlatform } from '../../../lib/image/formats/platform.js';

const { architecture } = currentPlatform();
const NAMES: Record<string, string[]> = { amd64: ['x86_64', 'x86-64', 'amd64/v1'], arm64: ['aarch64', 'arm64/v8'] };

test.each([
  '',
  architecture,
  `linux/${architecture}`,
  `LINUX/${architecture}`,
  ...(NAMES[architecture] ?? []).map((name) => `linux/${name}`),
])('builds for %j, which is its own', (platform) => {
  expect(() => requirePlatform(platform)).not.toThrow();
});

test.each([
  ['linux/s390x', "the platform linux/s390x can't be built here"],
  ['windows/amd64', "the platform windows/amd64 can't be built here"],
  ['linux/riscv64/v9', "can't be built here"],
  ['linux', 'is none'],
  ['linux/', 'is none'],
  ['a/b/c/d', 'is none'],
  ['linux/am d64', 'is none'],
])('refuses %j', (platform, message) => {
  expect(() => requirePlatform(platform)).toThrow(message);
});
