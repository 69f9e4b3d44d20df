import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../lib/runtime-cli/config/config-schema.js';
import { checkedFile } from '../../../lib/runtime-cli/config/read-config.js';
import { refuseUnsupported } from '../../../lib/runtime-cli/config/refused-fields.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';

/** config.json of `spec` with a value at a path. */
function withValue(path: readonly (string | number)[], value: unknown): string {
  const config: unknown = JSON.parse(specText());
  let at = config as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
  at[path.at(-1) ?? ''] = value;
  return JSON.stringify(config);
}

const read = (text: string) => checkedFile('/b/config.json', text, configSchema);

describe('config.json', () => {
  it('is what `spec` writes', () => {
    const config = read(specText());
    expect(config.process?.args).toEqual(['sh']);
    expect(config.mounts).toHaveLength(7);
    expect(() => refuseUnsupported(config)).not.toThrow();
  });

  it('may have fields that the spec has not, and null for what is not there', () => {
    expect(read(withValue(['future'], { a: 1 }))).not.toHaveProperty('future');
    expect(read(withValue(['linux', 'newThing'], 1)).linux).not.toHaveProperty('newThing');
    expect(read(withValue(['linux', 'maskedPaths'], null)).linux?.maskedPaths).toEqual([]);
    expect(read(withValue(['hooks'], null)).hooks).toBeUndefined();
  });

  it('may have a limit of 2^64 - 1, which is none', () => {
    const text = withValue(['process', 'rlimits'], [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }]).replace(
      '"hard":0',
      '"hard":18446744073709551615',
    );
    expect(read(text).process?.rlimits).toEqual([{ type: 'RLIMIT_CORE', soft: 0, hard: Number.POSITIVE_INFINITY }]);
  });

  it.each([
    [['process', 'args'], [], 'process.args must be at least 1 items long'],
    [['process', 'cwd'], 'tmp', 'process.cwd must be an absolute path'],
    [['process', 'user', 'uid'], -1, 'process.user.uid must be at least 0'],
    [['process', 'rlimits', 0, 'soft'], 2000, 'process.rlimits[0].soft must be at most hard'],
    [['process', 'env'], ['A\0B'], 'process.env[0] must have no NUL'],
    [['ociVersion'], '2.0.0', 'ociVersion must be a version 1.x.y'],
    [['root'], undefined, 'root is missing'],
    [['linux', 'namespaces'], [{ type: 'pid' }, { type: 'pid' }], 'linux.namespaces must name each type once'],
    [['linux', 'namespaces'], [{ type: 'net' }], "linux.namespaces[0].type must be one of 'pid', 'network'"],
    [['linux', 'resources', 'memory'], { limit: 'much' }, 'linux.resources.memory.limit must be a number'],
    [['hooks'], { poststop: [{ path: 'x' }] }, 'hooks.poststop[0].path must be an absolute path'],
  ] as const)('is refused by the path of the field: %j', (path, value, message) => {
    expect(() => read(withValue(path, value))).toThrow(message);
  });

  it('is refused when it is no JSON', () => {
    expect(() => read('{')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('/b/config.json is no JSON') }),
    );
  });

  it.each([
    [['linux', 'namespaces'], [{ type: 'mount' }, { type: 'user' }], 'linux.namespaces[1] of config.json is not supported here'],
    [['linux', 'namespaces'], [{ type: 'pid' }], 'linux.namespaces of config.json'],
    [['linux', 'intelRdt'], { closID: 'a' }, 'linux.intelRdt of config.json'],
    [['process', 'apparmorProfile'], 'docker-default', 'process.apparmorProfile of config.json'],
    [['mounts', 0, 'options'], ['idmap'], 'mounts[0].uidMappings of config.json'],
    [['mounts', 0, 'options'], ['tmpcopyup'], 'mounts[0].options of config.json'],
    [
      ['mounts', 1, 'options'],
      ['remount', 'ro', 'size=1k', 'sync'],
      'mounts[1].options of config.json is not supported here: a mount that is',
    ],
    [['linux', 'timeOffsets'], { monotonic: { secs: 1 } }, 'linux.timeOffsets of config.json'],
  ] as const)('is refused for what can not be kept: %j', (path, value, message) => {
    expect(() => refuseUnsupported(read(withValue(path, value)))).toThrow(message);
  });
});
