import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../../lib/network/address.js';
import { capabilityArgs, cniArgs } from '../../../../lib/network/cni/capability-args.js';
import { readConflist, type WrittenConflist } from '../../../../lib/network/cni/conflist.js';
import { environmentOf, requestOf } from '../../../../lib/network/cni/request.js';
import { outcomeOf } from '../../../../lib/network/cni/run-plugin.js';

const list = (given: unknown): WrittenConflist => {
  const read = readConflist(given);
  if (typeof read === 'string') throw new Error(read);
  return read;
};
const address = (text: string) => {
  const parsed = parseAddress(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
};

describe('a configuration of CNI', () => {
  it('may be a list, or the configuration of one plugin', () => {
    const plugin = { type: 'bridge', ipam: { type: 'host-local' }, isGateway: true };
    const common = { versions: ['1.0.0'], disableCheck: false, disableGC: false, plugins: [plugin] };
    expect(list({ cniVersion: '1.0.0', name: 'net', plugins: [plugin] })).toEqual({ ...common, name: 'net', loadsMore: true });
    expect(list({ cniVersion: '1.0.0', name: 'net', ...plugin })).toEqual({ ...common, name: 'net', loadsMore: false });
  });

  it('has all of its versions, and flags that libcni takes as words', () => {
    const given = { cniVersion: '0.4.0', cniVersions: ['1.0.0', '0.4.0'], name: 'net', disableCheck: 'true', disableGC: true };
    expect(list({ ...given, loadOnlyInlinedPlugins: true, plugins: [{ type: 'a' }] })).toMatchObject({
      ...{ versions: ['0.4.0', '1.0.0'], disableCheck: true, disableGC: true, loadsMore: false },
    });
  });

  it.each([
    [null, /object/],
    [{ name: 'net', plugins: [{ type: 'a' }] }, /cniVersion: is missing/],
    [{ cniVersion: '2.0.0', name: 'net', plugins: [{ type: 'a' }] }, /2\.0\.0, and nacelle speaks/],
    [{ cniVersion: '1.0.0', name: '../net', plugins: [{ type: 'a' }] }, /^name: /],
    [{ cniVersion: '1.0.0', name: 'net', plugins: [{ type: '..' }] }, /^plugins\[0\]\.type: /],
    [{ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'a', capabilities: { ips: 'yes' } }] }, /^plugins\[0\]\.capabilities\.ips: /],
    [{ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'a', 'cni.dev/x': 1 }] }, /cni\.dev\/x.* for the runtime/],
    [{ cniVersion: '1.0.0', name: 'net', loadOnlyInlinedPlugins: true }, /^plugins: is missing/],
  ])('as %j is refused', (given, problem) => {
    expect(readConflist(given)).toMatch(problem);
  });

  it('is a problem in words, or a list, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const given of [value, { cniVersion: '1.0.0', name: 'net', plugins: value }]) expect(() => readConflist(given)).not.toThrow();
      }),
    );
  });
});

describe('the request of a plugin', () => {
  const key = fc
    .string()
    .filter((name) => !['capabilities', 'runtimeConfig', 'prevResult', 'cniVersion', 'name', 'type', '__proto__'].includes(name));

  it('has what the configuration says, unchanged, and no capabilities', () => {
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), fc.jsonValue(), (more, prevResult) => {
        const plugin = { ...more, type: 'a', capabilities: { ips: true, mac: false } };
        const request = requestOf(plugin, {
          name: 'net',
          version: '1.0.0',
          prevResult,
          capabilities: { ips: ['10.1.0.2'], mac: 'x', dns: {} },
        });
        expect(request).toEqual({
          ...{ ...more, type: 'a', cniVersion: '1.0.0', name: 'net', runtimeConfig: { ips: ['10.1.0.2'] } },
          ...(prevResult === null ? {} : { prevResult }),
        });
      }),
    );
  });

  it('has no variable of the protocol that is not for the command', () => {
    expect(environmentOf('GC', ['/a', '/b'], null)).toEqual({
      ...{ CNI_COMMAND: 'GC', CNI_PATH: '/a:/b' },
      ...{ CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined, CNI_ARGS: undefined },
    });
  });

  it('asks by a capability where a plugin has one, and else by CNI_ARGS', () => {
    const wanted = { ports: [], bandwidth: null, ip: address('10.1.0.2'), mac: '02:00:00:00:00:05', aliases: [], dns: [] };
    expect(capabilityArgs(wanted)).toEqual({ ips: ['10.1.0.2'], mac: '02:00:00:00:00:05' });
    const able = { plugins: [{ type: 'a', capabilities: { ips: true } }] };
    expect(cniArgs(able, wanted, { K: 'v' })).toEqual({ IgnoreUnknown: '1', MAC: '02:00:00:00:00:05', K: 'v' });
    expect(cniArgs({ plugins: [{ type: 'a' }] }, wanted, {})).toEqual({ IgnoreUnknown: '1', IP: '10.1.0.2', MAC: '02:00:00:00:00:05' });
  });
});

describe('what has come of a plugin', () => {
  const of = { type: 'a', command: 'ADD' } as const;
  const ended = { status: 'ok', reason: 'exited with 0', exitCode: 0, stdout: '', stderr: '' } as const;

  it('is what it printed, or nothing', () => {
    expect(outcomeOf({ ...ended, stdout: '{"a":1}\n' }, '/a', of)).toEqual({ a: 1 });
    expect(outcomeOf({ ...ended, stdout: ' \n' }, '/a', of)).toBeNull();
  });

  it('is an error of ours, whatever it printed when it failed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.string(), (stdout, stderr) => {
        const call = (): unknown => outcomeOf({ status: 'nonzero-exit', reason: 'exited with 1', exitCode: 1, stdout, stderr }, '/a', of);
        expect(call).toThrow(expect.objectContaining({ name: 'CniError', plugin: 'a', path: '/a', command: 'ADD' }));
      }),
    );
  });
});
