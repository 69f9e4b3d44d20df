import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { paxRecord, tarArchive, tarEntry } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER] });

const BLOCK = 512;
const parent = temporaryFolder();
let driver = '';
beforeAll(async () => {
  driver = await layerDriver();
});

/** What comes out of it: the error, or the files with their data. */
function unpack(archive: Uint8Array): string | Record<string, string> {
  const root = newFolder(parent);
  const { error } = feed(driver, ['unpack', root], archive);
  if (error !== '') return error;
  return Object.fromEntries(readdirSync(root).map((name) => [name, readFileSync(join(root, name), 'latin1')]));
}

const entries = fc.uniqueArray(
  fc.record({
    name: fc.integer({ min: 0, max: 99 }).map((number) => `f${number}`),
    data: fc.integer({ min: 0, max: 1300 }).map((size) => 'x'.repeat(size)),
    pax: fc.constantFrom<Record<string, string>>({}, { mtime: '1.5' }),
  }),
  { selector: ({ name }) => name, maxLength: 4 },
);

describe('the end of an archive', () => {
  it('may be at any member boundary, the padding of the last one missing, and nowhere else', () => {
    const cutSomewhere = entries.chain((members) =>
      fc.record({ members: fc.constant(members), cut: fc.nat({ max: tarArchive(...members).length }) }),
    );
    fc.assert(
      fc.property(cutSomewhere, ({ members, cut }) => {
        let at = 0;
        let wholeEnd = true; // the cut leaves no part of a member, nor of a block of zeros
        const whole: Record<string, string> = {};
        for (const member of members) {
          const end = at + tarEntry(member).length;
          const dataEnd = end - ((BLOCK - (member.data.length % BLOCK)) % BLOCK);
          if (cut >= dataEnd) whole[member.name] = member.data;
          if (cut > at && cut < dataEnd) wholeEnd = false;
          at = end;
        }
        if (cut > at && (cut - at) % BLOCK !== 0) wholeEnd = false;
        const found = unpack(tarArchive(...members).subarray(0, cut));
        if (wholeEnd) expect(found).toEqual(whole);
        else expect(found).toMatch(/^EBADMSG: the archive ends too early/);
      }),
      { numRuns: 150 },
    );
  });

  it('is not between a header and the entry that it speaks of', () => {
    const record = paxRecord('mtime', '7');
    for (const type of ['x', 'L', 'K']) {
      const begun = Buffer.concat([tarEntry({ name: 'a' }), tarEntry({ name: 'h', type, data: type === 'x' ? record : 'name\0' })]);
      expect(unpack(begun)).toMatch(/^EBADMSG: the archive ends too early in or after entry a/);
      expect(unpack(Buffer.concat([begun, Buffer.alloc(2 * BLOCK)]))).toMatch(/^EBADMSG: the archive ends after a header/);
    }
    // one that speaks of all that follow may have none
    expect(unpack(tarEntry({ name: 'g', type: 'g', data: record }))).toEqual({});
  });
});
