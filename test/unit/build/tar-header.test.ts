import fc from 'fast-check';
import { Parser } from 'tar';
import { describe, expect, test } from 'vitest';
import { padding, TAR_END, type TarEntry, tarHeader } from '../../../lib/build/files/tar-header.js';

describe('tarHeader', () => {
  const names = fc.stringMatching(/^[^/\0]{1,120}$/u).filter((name) => name !== '.' && name !== '..');

  test('property: another reader reads what was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(names, { minLength: 1, maxLength: 3 }),
        fc.nat(0o7777),
        fc.nat(2 ** 31),
        fc.nat(2 ** 32),
        async (path, mode, id, mtime) => {
          const entry: TarEntry = { path: path.join('/'), type: 'file', mode, uid: id, gid: id, mtime, size: 3, target: '' };
          const found: object[] = [];
          const parser = new Parser({
            onReadEntry: (read) => {
              found.push({
                path: read.path,
                mode: read.mode,
                uid: read.uid,
                gid: read.gid,
                mtime: Number(read.mtime) / 1000,
                size: read.size,
              });
              read.resume();
            },
          });
          const ended = new Promise((resolve) => parser.on('end', resolve));
          parser.end(Buffer.concat([tarHeader(entry), Buffer.from('abc'), padding(3), TAR_END]));
          await ended;
          const { type: _, target: __, ...wanted } = entry;
          expect(found).toEqual([wanted]);
        },
      ),
    );
  });
});
