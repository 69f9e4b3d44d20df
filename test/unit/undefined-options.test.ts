import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { parseConnect } from '../../lib/container/options/connect-options.js';
import { parseRunOptions } from '../../lib/container/options/container-options.js';
import { runObject } from '../../lib/container/options/container-schema.js';
import { parseOverlayOptions } from '../../lib/filesystem/overlay-fs-options.js';
import { hostOptions } from '../../lib/image/host/hidden-paths.js';
import {
  commitOptions,
  imageConfigSchema,
  loadOptions,
  openOptions,
  pullOptions,
  pushOptions,
  saveOptions,
} from '../../lib/image/image-options.js';
import { parseCreate } from '../../lib/namespace/namespace-options.js';
import { parseVethOptions } from '../../lib/network/veth-options.js';
import { limitsShape } from '../../lib/options/limits.js';
import { limitsSchema } from '../../lib/options/limits-schema.js';
import { parseProgramOptions, processShape } from '../../lib/process/options/process-options.js';
import { pruneOptions, volumeOptions } from '../../lib/volume/volume-options.js';

/** Of each name: as if it were not given. */
const undefinedOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, undefined]));

describe('an option that is undefined is not given', () => {
  it('to a container', () => {
    const given = { image: 'host', command: ['true'] };
    const all = undefinedOf(Object.keys(runObject.shape));
    expect(parseRunOptions({ ...all, ...given })).toEqual(parseRunOptions(given));
    expect(Object.keys(all).length).toBeGreaterThan(80);
  });

  it('to a program, a group, an overlay, a pair, a connection, namespaces', () => {
    expect(parseProgramOptions(undefinedOf(Object.keys(processShape)))).toEqual(parseProgramOptions({}));
    expect(limitsSchema.parse(undefinedOf(Object.keys(limitsShape)))).toEqual({});
    const overlay = undefinedOf(['upper', 'work', 'target', 'readOnly', 'volatile', 'upperSize', 'persist']);
    expect(parseOverlayOptions({ ...overlay, lower: ['/'] })).toEqual(parseOverlayOptions({ lower: ['/'] }));
    const pair = undefinedOf([
      'name',
      'peerName',
      'namespace',
      'address',
      'peerAddress',
      'gateway',
      'mtu',
      'mac',
      'peerMac',
      'bridge',
      'persist',
    ]);
    expect(parseVethOptions({ ...pair, peer: 1 })).toEqual(parseVethOptions({ peer: 1 }));
    expect(parseConnect(80, undefinedOf(['host', 'timeout', 'cancelSignal']))).toEqual(parseConnect(80, {}));
    expect(parseCreate(['net'], undefinedOf(['uidMap', 'gidMap', 'hostname', 'timeOffsets']))).toEqual(parseCreate(['net'], {}));
  });

  const schemas: readonly z.ZodType[] = [
    pruneOptions,
    volumeOptions,
    commitOptions,
    hostOptions.schema(),
    imageConfigSchema,
    loadOptions,
    openOptions,
    pullOptions,
    pushOptions,
    saveOptions,
  ];
  it.each(schemas.map((schema, i) => [i, schema] as const))('to images (%i)', (_, schema) => {
    const shape: object = 'shape' in schema && schema.shape ? schema.shape : {};
    expect(Object.keys(shape).length).toBeGreaterThan(0);
    expect(schema.parse(undefinedOf(Object.keys(shape)))).toEqual(schema.parse({}));
  });
});
