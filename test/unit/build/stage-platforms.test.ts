import { expect, test } from 'vitest';
import { askedOf, stagePlatforms, type Target } from '../../../lib/build/execute/stage-platforms.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import { stageGraph } from '../../../lib/build/language/stage-graph.js';
import { platformName } from '../../../lib/image/formats/platform.js';

const target: Target = { platform: { os: 'linux', architecture: 's390x' }, isAsked: true };
const globals = new Map([
  ['BUILDPLATFORM', 'linux/amd64'],
  ['TARGETPLATFORM', 'linux/s390x'],
]);

function graphOf(text: string) {
  return stageGraph(parseDockerfile(text), { target: null, globals });
}

const named = (text: string): string[] => [...stagePlatforms(graphOf(text), target).values()].map(platformName);

test.each<[string, string[]]>([
  ['FROM a', ['linux/s390x']],
  ['FROM --platform=$BUILDPLATFORM a', ['linux/amd64']],
  ['FROM --platform=$TARGETPLATFORM a', ['linux/s390x']],
  ['FROM --platform=linux/x86_64 a', ['linux/amd64']],
  ['FROM --platform=LINUX/amd64/v1 a', ['linux/amd64']],
  ['FROM --platform=aarch64 a', ['linux/arm64']],
  ['FROM --platform=linux/arm64/v8 a', ['linux/arm64']],
  ['FROM --platform=arm a', ['linux/arm/v7']],
  ['FROM --platform=linux/arm/v6 a', ['linux/arm/v6']],
  // BuildKit: what a stage is on has its platform already, and from scratch there are no programs
  ['FROM --platform=$BUILDPLATFORM a AS b\nFROM --platform=linux/arm64 b', ['linux/amd64', 'linux/amd64']],
  ['FROM --platform=$BUILDPLATFORM scratch', ['linux/s390x']],
  ['FROM --platform=$BUILDPLATFORM a AS b\nFROM c\nCOPY --from=b / /', ['linux/amd64', 'linux/s390x']],
])('knows what the stages of %j are for', (text, platforms) => {
  expect(named(text)).toEqual(platforms);
});

test('asks for a platform of an image when the caller or FROM does', () => {
  const asked = (text: string, isAsked: boolean): string[] =>
    graphOf(text).needed.map((stage) => {
      const platform = askedOf(stage, { ...target, isAsked });
      return platform ? platformName(platform) : 'any';
    });
  expect(asked('FROM a', false)).toEqual(['any']);
  expect(asked('FROM a', true)).toEqual(['linux/s390x']);
  expect(asked('FROM --platform=$BUILDPLATFORM a', false)).toEqual(['linux/amd64']);
});

test.each([
  ['windows/amd64', "the platform windows/amd64 can't be built: it has to be Linux"],
  ['linux', 'is none'],
  ['linux/', 'is none'],
  ['a/b/c/d', 'is none'],
])('refuses %j', (platform, message) => {
  expect(() => named(`FROM --platform=${platform} a`)).toThrow(message);
});
