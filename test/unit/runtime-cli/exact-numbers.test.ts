import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configText } from '../../../lib/oci-config/config-text.js';
import { readConfig } from '../../../lib/runtime-cli/config/read-config.js';
import { filterOf } from '../../../lib/runtime-cli/runtime-machine.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';
import { type ContainerRecord, configOf, makeStateFolder, readRecord } from '../../../lib/runtime-cli/state/container-state.js';
import { writeRecord } from '../../fixtures/container-record.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const folder = temporaryFolder();
const refused = { names: ['personality'], action: 'SCMP_ACT_ERRNO' };

/** A bundle whose filter compares an argument with a value. @param more further fields of config.json */
function bundleWith(value: bigint, more: Readonly<Record<string, unknown>> = {}): string {
  const spec = JSON.parse(specText());
  const args = [{ index: 0, op: 'SCMP_CMP_MASKED_EQ', value, valueTwo: value }];
  const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...refused, args }] };
  const bundle = mkdtempSync(join(folder, 'bundle-'));
  writeFileSync(join(bundle, 'config.json'), configText({ ...spec, ...more, linux: { ...spec.linux, seccomp } }));
  return bundle;
}

const recordOf = (config: unknown): ContainerRecord => ({
  ...{ format: 1, ociVersion: '1.3.0', id: 'one', pid: 7, startTime: '1', bundle: '/b', rootfs: '/r', created: 'then', owner: 'root' },
  ...{ annotations: {}, groups: [], home: '/gone', freezer: { path: '/gone', version: 2 }, config },
});

describe('numbers of 64 bits in config.json', () => {
  it.each([2n ** 63n, 2n ** 53n + 1n, 2n ** 64n - 1n])(
    'are what a filter compares with, also when it is read of the record: %d',
    (value) => {
      const { config, json } = readConfig(bundleWith(value), 'config.json');
      const own = makeStateFolder(join(folder, `states-${value}`), 'one');
      writeRecord(own, recordOf(json));
      const noted = configOf(readRecord(own) ?? expect.fail('there is no record'));
      expect(noted).toEqual(config);
      const loaded = filterOf(config.linux, { bounding: 0n }, folder);
      expect(filterOf(noted.linux, { bounding: 0n }, folder)).toEqual(loaded);
      expect(filterOf(readConfig(bundleWith(value - 1n), 'config.json').config.linux, { bounding: 0n }, folder)).not.toEqual(loaded);
    },
  );

  it('are numbers elsewhere, and of limits 2^64 - 1 is none', () => {
    const { process } = JSON.parse(specText());
    const rlimits = [{ type: 'RLIMIT_CORE', soft: 2n ** 60n, hard: 2n ** 64n - 1n }];
    const { config, json } = readConfig(bundleWith(1n, { process: { ...process, rlimits } }), 'config.json');
    expect(config.process?.rlimits).toEqual([{ type: 'RLIMIT_CORE', soft: 2 ** 60, hard: Number.POSITIVE_INFINITY }]);
    expect(json).toMatchObject({ process: { rlimits } });
  });
});

describe('a config.json that is nested as deep as can be', () => {
  it('can be read of the record too', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 99; ++level) deep = [deep];
    const { json } = readConfig(bundleWith(1n, { deep }), 'config.json');
    const own = makeStateFolder(join(folder, 'states-deep'), 'one');
    writeRecord(own, recordOf(json));
    expect(readRecord(own)?.config).toEqual(json);
    expect(() => readConfig(bundleWith(1n, { deep: [deep] }), 'config.json')).toThrow('is nested deeper than 100 levels');
  });
});
