import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../../../lib/image/formats/image-documents.js';
import { currentPlatform, parsePlatform, platformName, runsOn, selectPlatform } from '../../../../lib/image/formats/platform.js';

const parsed = (text: string) => {
  const platform = parsePlatform(text);
  if (!platform) throw new Error(`${text} is no platform`);
  return platform;
};

describe('a platform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm/v7', 'linux/arm/v7'],
    ['arm64', 'linux/arm64'],
    ['linux/x86_64', 'linux/amd64'],
    ['Linux/AARCH64', 'linux/arm64'],
    ['armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/armhf/v6', 'linux/arm/v6'],
    ['linux/arm/7', 'linux/arm/v7'],
    ['windows/amd64', 'windows/amd64'],
  ])('%s is %s', (text, name) => expect(platformName(parsed(text))).toBe(name));

  it.each(['', '/', 'linux', 'linux/', '/amd64', 'linux/amd64/', 'linux/arm/v7/x', 'linux amd64', 'linux/ä'])('%j is none', (text) =>
    expect(parsePlatform(text)).toBeNull(),
  );

  it('is read again as it was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aAvx8_6/.-', 'arm', 'linux/') }), (text) => {
        const platform = parsePlatform(text);
        if (platform) expect(parsePlatform(platformName(platform))).toEqual(platform);
      }),
    );
  });

  it.each([
    ['x64', 'amd64'],
    ['arm64', 'arm64'],
    ['ia32', '386'],
    ['riscv64', 'riscv64'],
  ])('Node on %s runs on linux/%s', (arch, architecture) => expect(currentPlatform(arch)).toEqual({ os: 'linux', architecture }));
});

/** Entries by their platforms; '' names none. */
const choose = (entries: string[], wanted: string): string | undefined => {
  const descriptors = entries.map((name, index): Descriptor => {
    const entry = { mediaType: '', digest: `${index}`, size: 0 };
    const [os = '', architecture = '', variant] = name.split('/');
    return name === '' ? entry : { ...entry, platform: { os, architecture, variant } };
  });
  const chosen = selectPlatform(descriptors, parsed(wanted));
  return chosen ? entries[Number(chosen.digest)] : undefined;
};

describe('of several entries is taken', () => {
  it.each([
    ['the same', ['linux/arm64', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    ['none of a machine that JavaScript knows', ['linux/constructor', 'linux/__proto__/toString'], 'linux/amd64', undefined],
    ['none of another machine or system', ['linux/arm64', 'windows/amd64'], 'linux/amd64', undefined],
    ['none for a later processor', ['linux/amd64/v3'], 'linux/amd64', undefined],
    ['what any processor runs, wherever it stands', ['linux/amd64/v3', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    ['the best that a later processor runs', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v3', 'linux/amd64/v2'],
    ['v7 where arm says no more', ['linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6'], 'linux/arm', 'linux/arm/v7'],
    ['what is for an earlier arm', ['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v7', 'linux/arm/v6'],
    ['nothing for a later arm', ['linux/arm/v7'], 'linux/arm/v6', undefined],
    ['arm64 under either of its names', ['linux/arm64/v8'], 'linux/arm64', 'linux/arm64/v8'],
    ['the first of those with a variant of another kind', ['linux/riscv64/rva23', 'linux/riscv64'], 'linux/riscv64', 'linux/riscv64/rva23'],
    ['only that variant, when it is asked for', ['linux/riscv64/rva23'], 'linux/riscv64/rva20', undefined],
    ['what goes by another name', ['linux/arm64', 'Linux/X86_64'], 'linux/amd64', 'Linux/X86_64'],
    ['nothing for a later arm64', ['linux/arm64/v8.2'], 'linux/arm64', undefined],
    ['arm64 of its generation', ['linux/arm64/v8', 'linux/arm64/v8.2', 'linux/arm64/v9'], 'linux/arm64/v8.5', 'linux/arm64/v8.2'],
    ['32 bits, where amd64 has nothing', ['linux/386', 'linux/amd64/v3'], 'linux/amd64', 'linux/386'],
    ['not 32 bits where it has', ['linux/386', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
    ['one that names none', ['linux/arm64', ''], 'linux/amd64', ''],
    ['before it, one that does', ['', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
  ])('%s', (_, entries, wanted, expected) => expect(choose(entries, wanted)).toBe(expected));
});

it('an image that says nothing of its platform may run on any', () => {
  const wanted = parsed('linux/amd64');
  expect(runsOn({}, wanted)).toBe(true);
  expect(runsOn({ os: 'linux', architecture: '' }, wanted)).toBe(true);
  expect(runsOn({ os: 'linux', architecture: 'amd64' }, wanted)).toBe(true);
  expect(runsOn({ os: 'linux', architecture: '386' }, wanted)).toBe(true);
  expect(runsOn({ os: 'linux', architecture: 'arm64', variant: 'v8' }, wanted)).toBe(false);
});
