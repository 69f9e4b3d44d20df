import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRecord, reapSteps, recordFiles, writeRecord } from '../../../lib/host/journal.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { Slots } from '../../../lib/plan/plan.js';
import type { Step } from '../../../lib/plan/steps.js';
import { useOwnRecords } from '../../fixtures/own-records.js';

const owner = useOwnRecords();

function steps(): Step[] {
  const slots = new Slots();
  return recordFiles(owner()).flatMap((file) => reapSteps(file, slots));
}

describe('the journal', () => {
  it('gives back what was written, and the step that forgets it', () => {
    const records = [
      { kind: 'mount', path: '/a\nb', source: 'nacelle-1' },
      { kind: 'folder', path: '/a\nb' },
      { kind: 'links', group: 2 ** 30, namespace: 4026531840, pids: 4026531836, began: '2' },
      // of an older version
      { kind: 'use', path: '/uses/10.89.0.2', text: 'its id', lock: '/lock', group: 2 ** 30, namespace: 4026531840 },
    ] as const;
    const [unlink, ...others] = writeRecord(owner(), 'one', records);
    const file = unlink && 'path' in unlink ? unlink.path : '';
    expect(recordFiles(owner())).toEqual([file]);
    expect(readRecord(file)).toEqual(records);
    expect(existsSync(file)).toBe(true);
    expect(unlink).toMatchObject({ op: 'forget', host: true });
    expect(others).toEqual([]);
  });

  it('ends the use of a bridge, also where its network namespace has gone', () => {
    const use = { kind: 'use', path: '/uses/10.89.0.2', text: 'its id', lock: '/lock', group: 2 ** 30 } as const;
    writeRecord(owner(), 'here', [{ ...use, namespace: statSync('/proc/self/ns/net').ino }]);
    expect(steps().map(({ op }) => op)).toEqual([
      'unlink_if',
      'unlink_if',
      'open',
      'require_inode',
      'netlink_socket',
      'leave_bridge',
      'close',
      'close',
      'leave_settings',
      'forget',
    ]);
    writeRecord(owner(), 'here', [{ ...use, namespace: 1 }]);
    expect(steps().map(({ op }) => op)).toEqual(['unlink_if', 'unlink_if', 'forget']);
  });

  it('has nothing of an owner that wrote nothing', () => {
    expect(recordFiles(owner())).toEqual([]);
  });

  it('undoes in the order that was written, each record before its file', () => {
    writeRecord(owner(), 'one', [
      { kind: 'folder', path: '/no/such/folder' },
      { kind: 'tree', path: '/no/such/tree' },
    ]);
    expect(steps().map(({ op }) => op)).toEqual(['remove_folder', 'remove_tree', 'forget']);
  });

  it('leaves alone what is not mounted, or another mount', () => {
    mkdirSync(join(runtimeDir(), 'target'));
    writeRecord(owner(), 'one', [{ kind: 'mount', path: join(runtimeDir(), 'target'), source: 'nacelle-1' }]);
    writeRecord(owner(), 'two', [{ kind: 'mount', path: '/proc', source: 'nacelle-1' }]);
    expect(steps().map(({ op }) => op)).not.toContain('detach');
  });

  it('unmounts what it knows by its source', () => {
    const line =
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .find((text) => text.split(' ')[4] === '/proc') ?? '';
    writeRecord(owner(), 'one', [{ kind: 'mount', path: '/proc', source: line.split(' - ')[1]?.split(' ')[1] ?? '' }]);
    expect(steps()[0]).toEqual({ op: 'detach', host: true, at: -1, path: '/proc' });
  });

  it('removes links where their namespace still is, and has nothing to do where it is gone', () => {
    const namespace = statSync('/proc/self/ns/net').ino;
    writeRecord(owner(), 'here', [{ kind: 'links', group: 5, namespace }]);
    expect(steps()).toMatchObject([
      { op: 'open', host: true, out: 0 },
      { op: 'require_inode', host: true, slot: 0, inode: namespace },
      { op: 'netlink_socket', host: true, out: 1, ns: 0, protocol: 0 },
      { op: 'remove_links', host: true, socket: 1, group: 5 },
      { op: 'close', slot: 1 },
      { op: 'close', slot: 0 },
      { op: 'forget' },
    ]);
    writeRecord(owner(), 'here', [{ kind: 'links', group: 5, namespace: 1 }]);
    expect(steps().map(({ op }) => op)).toEqual(['forget']);
  });

  it('takes a record that was cut off for one of nothing', () => {
    writeRecord(owner(), 'one', []);
    writeFileSync(join(runtimeDir(), 'records', owner(), 'two.json.new'), '[{"kind"');
    expect(steps().filter(({ op }) => op === 'forget')).toHaveLength(2);
  });

  it('refuses a record that it does not understand, by its name', () => {
    writeRecord(owner(), 'one', []);
    const file = join(runtimeDir(), 'records', owner(), 'two.json');
    for (const text of ['[{"kind":"planet","path":"/"}]', '[{"kind"', '']) {
      writeFileSync(file, text);
      expect(() => readRecord(file)).toThrow(expect.objectContaining({ code: 'ERR_RECORD', message: expect.stringContaining(file) }));
    }
  });

  it('has nothing to do for one that another reaper was faster to remove', () => {
    expect(readRecord(join(runtimeDir(), 'records', owner(), 'gone.json'))).toEqual([]);
  });
});
