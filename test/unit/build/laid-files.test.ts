import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OrderedHashes } from '../../../lib/build/files/known-bytes.js';
import { type CopiedFolder, LaidFiles } from '../../../lib/build/files/laid-files.js';
import type { LayerFile } from '../../../lib/build/files/layer-file.js';

function file(path: string): LayerFile {
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, target: '', bytes: null };
}

function copied(target: string): CopiedFolder {
  const name = (place: number) => `n${place}`;
  return { target, name, file: (place) => file(target === '' ? name(place) : `${target}/${name(place)}`) };
}

describe('the files of a layer', () => {
  const folders = ['', 'd', 'd/e'].map(copied);
  const step = fc.record({ folder: fc.nat({ max: 2 }), place: fc.nat({ max: 9 }), isWhole: fc.boolean() });

  test('come in their order, as often as they are asked for, and are found by their paths', () => {
    fc.assert(
      fc.property(fc.uniqueArray(step, { selector: ({ folder, place }) => `${folder} ${place}`, maxLength: 30 }), (steps) => {
        const files = new LaidFiles();
        const paths: string[] = [];
        const byPlace = new Set<string>();
        for (const { folder, place, isWhole } of steps) {
          const of = folders[folder] ?? copied('');
          const one = of.file(place);
          paths.push(one.path);
          if (isWhole) files.push(one);
          else {
            files.pushFrom(of, place);
            byPlace.add(one.path);
          }
          expect(files.find(one.path)?.path).toBe(isWhole ? undefined : one.path);
        }
        expect(files).toHaveLength(paths.length);
        for (const _ of [1, 2]) expect([...files].map(({ path }) => path)).toEqual(paths);
        for (const path of ['n0', 'd/n1', 'd/e/n2', 'x/n0', ...paths]) expect(files.find(path) !== undefined).toBe(byPlace.has(path));
      }),
    );
  });

  test('asks a folder for each name once, however often a file is looked for meanwhile', () => {
    const asked: number[] = [];
    const of: CopiedFolder = { ...copied('d'), name: (place) => `n${asked.push(place) && place}` };
    const files = new LaidFiles();
    // every other place, so that each file is a run of its own, then one run
    const places = Array.from({ length: 200 }, (_, index) => (index < 100 ? 2 * index : 200 + index));
    for (const place of places) {
      files.pushFrom(of, place);
      expect(files.find(`d/n${place}`)?.path).toBe(`d/n${place}`);
    }
    expect(asked).toEqual(places);
  });
});

describe('hashes of files in an order', () => {
  const hashOf = (path: string): string => Buffer.from(path.padEnd(32, '\0')).toString('hex').slice(0, 64);

  test('are found in that order, in any other, and not where there are none', () => {
    const path = fc.stringMatching(/^[ab/é]{1,6}$/);
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 12 }), fc.array(path, { maxLength: 12 }), (paths, others) => {
        const known = new OrderedHashes();
        for (const one of paths) known.push(one, hashOf(one));
        for (const one of [...paths, ...others, ...paths]) expect(known.get(one)).toBe(paths.includes(one) ? hashOf(one) : undefined);
      }),
    );
  });

  test('are found on each page, forwards, backwards, and after more have come', () => {
    const paths = Array.from({ length: 2500 }, (_, index) => `folder/${index}`);
    const known = new OrderedHashes();
    for (const path of paths.slice(0, 1500)) known.push(path, hashOf(path));
    expect(known.get('folder/1499')).toBe(hashOf('folder/1499'));
    for (const path of paths.slice(1500)) known.push(path, hashOf(path));
    for (const path of [...paths, ...paths.toReversed()]) expect(known.get(path)).toBe(hashOf(path));
    expect(known.get('older/1')).toBeUndefined();
  });
});
