import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveSysctls } from '../../../lib/security/sysctls.js';

const own =
  (...types: string[]) =>
  (type: string) =>
    types.includes(type);

describe('resolveSysctls', () => {
  it('gives paths below /proc/sys', () => {
    const sysctls = { 'net.ipv4.ip_forward': '1', 'kernel.shmmax': '65536', 'fs.mqueue.msg_max': '20', 'kernel/sem': '1 2 3 4' };
    expect(resolveSysctls(sysctls, own('ipc', 'net'))).toEqual([
      { path: 'net/ipv4/ip_forward', value: '1' },
      { path: 'kernel/shmmax', value: '65536' },
      { path: 'fs/mqueue/msg_max', value: '20' },
      { path: 'kernel/sem', value: '1 2 3 4' },
    ]);
  });

  it('reads the separators as sysctl(8)', () => {
    const path = (name: string) => resolveSysctls({ [name]: '1' }, own('net'))[0]?.path;
    expect(path('net.ipv4.conf.eth0/100.rp_filter')).toBe('net/ipv4/conf/eth0.100/rp_filter');
    expect(path('net/ipv4/conf/eth0.100/rp_filter')).toBe('net/ipv4/conf/eth0.100/rp_filter');
  });

  it.each(['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'])(
    'takes kernel.%s in a new ipc namespace alone',
    (name) => {
      expect(resolveSysctls({ [`kernel.${name}`]: '1' }, own('ipc'))).toHaveLength(1);
      expect(() => resolveSysctls({ [`kernel.${name}`]: '1' }, own('net', 'user'))).toThrow(
        /ipc namespace, and this container's is not new/,
      );
    },
  );

  it('takes net.* and user.* in new namespaces of their types alone', () => {
    expect(() => resolveSysctls({ 'net.core.somaxconn': '1' }, own('ipc', 'user'))).toThrow(/net namespace/);
    expect(() => resolveSysctls({ 'user.max_user_namespaces': '1' }, own('ipc', 'net'))).toThrow(/user namespace/);
    expect(resolveSysctls({ 'user.max_user_namespaces': '1' }, own('user'))).toHaveLength(1);
  });

  const refused = [
    ...[
      'kernel.core_pattern',
      'kernel.pid_max',
      'vm.swappiness',
      'fs.file-max',
      'kernel',
      'net',
      'kernel.shmmax.x',
      'fs.mqueue',
      'constructor',
    ],
    ...[
      '',
      '.',
      '/',
      'net.',
      '.net.x',
      'net..x',
      'net//x',
      '/net/x',
      'net/../kernel/core_pattern',
      'net/./x',
      'net.//.kernel.core_pattern',
      'net.\0',
      'net/ipv4/',
    ],
  ];
  it.each(refused)('refuses %j in new namespaces of every type', (name) => {
    expect(() => resolveSysctls({ [name]: '1' }, () => true)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  it('says which option to use for the names of the UTS namespace', () => {
    expect(() => resolveSysctls({ 'kernel.hostname': 'x' }, () => true)).toThrow(/use the option hostname$/);
    expect(() => resolveSysctls({ 'kernel.domainname': 'x' }, () => true)).toThrow(/use the option domainname$/);
  });

  it('refuses a NUL in a value', () => {
    expect(() => resolveSysctls({ 'net.core.somaxconn': '1\0' }, () => true)).toThrow(/NUL/);
  });

  it('never lets a path out of net/', () => {
    const letters = fc.array(fc.constantFrom('.', '/', '..', 'net', 'a', '\0'), { maxLength: 8 }).map((parts) => `net${parts.join('')}`);
    fc.assert(
      fc.property(letters, (name) => {
        let paths: string[] = [];
        try {
          paths = resolveSysctls({ [name]: '1' }, own('net')).map(({ path }) => path);
        } catch (error) {
          expect(error).toHaveProperty('code', 'ERR_INVALID_OPTION');
        }
        for (const path of paths) {
          expect(new URL(`file:///${path}`).pathname).toBe(`/${path}`);
          expect(path.startsWith('net/')).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
