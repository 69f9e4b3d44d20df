import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

describe('the domain name', () => {
  it.each([
    [undefined, 'other'],
    ['other', 'other'],
  ])('%s beside the sysctl %s is that of the container', async (domainname, sysctl) => {
    const bundle = makeBundle(folder, ['busybox', 'cat', '/proc/sys/kernel/domainname'], (config) => {
      Object.assign(config, { domainname });
      Object.assign(config.linux, { sysctl: { 'kernel.domainname': sysctl } });
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: `${sysctl}\n`, stderr: '' });
  });

  it('is refused where the sysctl says another one, and in a uts namespace of others', async () => {
    const sysctl = { 'kernel.domainname': 'other' };
    const both = makeBundle(folder, ['true'], (config) => {
      Object.assign(config, { domainname: 'own' });
      Object.assign(config.linux, { sysctl });
    });
    expect(await oci('run', '--bundle', both, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('conflicts with domainname'),
    });
    const host = makeBundle(folder, ['true'], (config) => {
      Reflect.deleteProperty(config, 'hostname');
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'uts');
      Object.assign(config.linux, { sysctl });
    });
    expect(await oci('run', '--bundle', host, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('is not new') });
  });
});

describe('a sysctl of a network namespace that is joined', () => {
  const joining = (path: string) =>
    makeBundle(folder, ['busybox', 'cat', '/proc/sys/net/ipv4/ip_default_ttl'], ({ linux }) => {
      linux.namespaces = [...linux.namespaces.filter(({ type }) => type !== 'network'), { type: 'network', path }];
      linux.sysctl = { 'net.ipv4.ip_default_ttl': '33' };
    });

  it('is set where an engine has made that namespace, and refused where it is the runtime’s own', async () => {
    const pod = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await oci('run', '--detach', '--bundle', pod, 'pod')).toMatchObject({ code: 0 });
    const { pid } = JSON.parse((await oci('state', 'pod')).stdout);
    expect(await oci('run', '--bundle', joining(`/proc/${pid}/ns/net`), 'one')).toEqual({ code: 0, stdout: '33\n', stderr: '' });
    expect((await oci('exec', 'pod', 'busybox', 'cat', '/proc/sys/net/ipv4/ip_default_ttl')).stdout).toBe('33\n');
    const refused = await oci('run', '--bundle', joining('/proc/self/ns/net'), 'two');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('sysctls["net.ipv4.ip_default_ttl"]') });
  });
});
