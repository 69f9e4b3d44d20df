import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { shimFolder } from '../../../../lib/native/runtime-dir.js';
import { makeNetworkFolder } from '../../../../lib/network/bridge/network-folder.js';
import { noteHolder, readSharedNote, writeSharedNote } from '../../../../lib/network/rules/shared-note.js';
import { useOwnRecords } from '../../../fixtures/own-records.js';

useOwnRecords();
const name = 'held';

function noteOf(ids: readonly string[]): void {
  makeNetworkFolder(name);
  writeSharedNote(name, { table: 't', key: 'k', holders: ids.map((id) => ({ id, slot: 1 })), ports: [] });
}

const holders = (): string[] => (readSharedNote(name)?.holders ?? []).map(({ id }) => id);

it('a holder is noted after the others, in the place of the first whose shim has gone, or else of the first of all', () => {
  const ids = Array.from({ length: 8 }, (_, place) => `a${place}`);
  for (const id of ids) if (id !== 'a3') mkdirSync(shimFolder(id), { recursive: true });
  noteOf(ids);
  noteHolder(name, 't', { id: 'b0', slot: 2 });
  const left = [...ids.filter((id) => id !== 'a3'), 'b0'];
  expect(holders()).toEqual(left);
  mkdirSync(shimFolder('b0'));
  noteHolder(name, 't', { id: 'b1', slot: 2 });
  expect(holders()).toEqual([...left.slice(1), 'b1']);
});

it('a holder of other tables than those that are noted is not noted', () => {
  noteOf(['a0']);
  noteHolder(name, 'another', { id: 'b0', slot: 2 });
  expect(holders()).toEqual(['a0']);
});
