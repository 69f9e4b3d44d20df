import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listContainers } from '../../../lib/runtime-cli/containers-table.js';
import { type ContainerRecord, makeStateFolder, writeWhole } from '../../../lib/runtime-cli/state/container-state.js';
import { writeRecord } from '../../fixtures/container-record.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const folder = temporaryFolder();

const recordOf = (id: string): ContainerRecord => ({
  ...{
    format: 1,
    ociVersion: '1.3.0',
    id,
    pid: 2 ** 22 + 1,
    startTime: '1',
    bundle: '/b',
    rootfs: '/b/rootfs',
    created: 'then',
    owner: 'root',
  },
  ...{ annotations: {}, groups: [], home: '/gone', freezer: { path: '/gone', version: 2 }, config: {} },
});

describe('a list of containers', () => {
  it('has those whose records can be read, and tells of the others', () => {
    const root = join(folder, 'states');
    for (const id of ['one', 'two']) writeRecord(makeStateFolder(root, id), recordOf(id));
    makeStateFolder(root, 'begun');
    writeRecord(makeStateFolder(root, 'other'), recordOf('another'));
    writeWhole(join(makeStateFolder(root, 'damaged').path, 'state.json'), '{');
    mkdirSync(join(root, 'no id'));
    const told: string[] = [];
    const list = listContainers(root, { format: 'json', quiet: false, isNamed: true }, (problem) => void told.push(problem));
    expect(JSON.parse(list).map(({ id, status, pid }: Record<string, unknown>) => [id, status, pid])).toEqual([
      ['one', 'stopped', 0],
      ['two', 'stopped', 0],
    ]);
    expect(told.sort()).toEqual([
      expect.stringContaining('damaged/state.json, line 1 ends too early'),
      expect.stringMatching(/no id: invalid container ID/),
      expect.stringContaining('is the record of another container'),
    ]);
  });
});

describe('a root that is not there', () => {
  const list = (isNamed: boolean): string => {
    return listContainers(join(folder, 'nowhere'), { format: 'json', quiet: false, isNamed }, () => {});
  };

  it('is a mistake where it was named', () => {
    expect(() => list(true)).toThrow(`open ${join(folder, 'nowhere')}: no such file or directory`);
  });

  it('has no containers where it is the default, which a user has elsewhere than root', () => {
    expect(list(false)).toBe('[]');
  });
});

describe('a file that is written as a whole', () => {
  it('leaves nothing beside it when it can not be put there', () => {
    const place = join(folder, 'place');
    mkdirSync(join(place, 'taken'), { recursive: true });
    expect(() => writeWhole(join(place, 'taken'), 'text')).toThrow(expect.objectContaining({ code: 'EISDIR' }));
    expect(readdirSync(place)).toEqual(['taken']);
  });
});
