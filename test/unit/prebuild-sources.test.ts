import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { isOfSources, noteSources, sourcesDigest } from '../../scripts/prebuild/sources.mjs';

const project = mkdtempSync(join(tmpdir(), 'nacelle-sources-'));
const prebuild = join(project, 'prebuilds');
afterAll(() => rmSync(project, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(join(project, name), text);

beforeEach(() => {
  for (const folder of ['addon/shim/fuzz', 'prebuilds']) mkdirSync(join(project, folder), { recursive: true });
  write('package.json', '{"version":"1.0.0"}');
  write('binding.gyp', '{}');
  write('addon/one.cc', 'one');
  write('addon/shim/two.h', 'two');
  write('addon/shim/fuzz/three.cc', 'three');
  noteSources(prebuild, sourcesDigest(project));
});

describe('a prebuild', () => {
  it('is of the sources as they were, whatever else changes', () => {
    expect(isOfSources(prebuild, project)).toBe(true);
    write('addon/shim/fuzz/three.cc', 'another');
    write('addon/notes.txt', 'no source');
    write('package.json', '{"version":"1.0.0","private":true}');
    expect(isOfSources(prebuild, project)).toBe(true);
  });

  it.each([
    ['addon/one.cc', 'two'],
    ['addon/shim/two.h', ''],
    ['addon/shim/new.def', ''],
    ['binding.gyp', '{ }'],
    ['package.json', '{"version":"1.0.1"}'],
  ])('is not when %s changes', (name, text) => {
    write(name, text);
    expect(isOfSources(prebuild, project)).toBe(false);
    rmSync(join(project, 'addon/shim/new.def'), { force: true });
  });

  it('is of no sources while its files are changed, or when nobody has noted any', () => {
    noteSources(prebuild, null);
    expect(isOfSources(prebuild, project)).toBe(false);
    expect(isOfSources(join(project, 'none'), project)).toBe(false);
  });
});
