import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type RunOptions, SyscallError } from '../../../lib/index.js';
import { leftovers, snapshot, useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const folder = temporaryFolder();
writeFileSync(join(folder, 'file'), '');

// Everything that leaves something to undo, before the step that fails.
const rich: RunOptions = {
  memory: '64m',
  pidsLimit: 50,
  cpus: 0.5,
  tmpfs: { '/t': 'size=1m' },
  volumes: [`${folder}:/data:ro`],
  copyIn: { '/in': 'x' },
  timeout: 60_000,
};

// From the first step of the plan to the last one.
const failures: { name: string; options: RunOptions; code: string; says: RegExp }[] = [
  { name: 'the image is missing', options: { image: 'dir:/not/there' }, code: '', says: /\/not\/there/ },
  { name: 'the image is a file', options: { image: `dir:${folder}/file` }, code: '', says: /file/ },
  {
    name: 'the source of a bind is missing',
    options: { mounts: [{ type: 'bind', source: '/not/there', target: '/x' }] },
    code: 'ENOENT',
    says: /\/not\/there/,
  },
  {
    name: 'a folder is to be mounted below a file',
    options: { tmpfs: { '/etc/passwd/below': '' } },
    code: 'ENOTDIR',
    says: /passwd\/below/,
  },
  { name: 'a tmpfs has an option that is none', options: { tmpfs: { '/x': 'nonsense=1' } }, code: '', says: /nonsense|\/x/ },
  {
    name: 'a file is too large for the root',
    options: { upperSize: '1m', copyIn: { '/big': Buffer.alloc(4 << 20) } },
    code: 'ENOSPC',
    says: /\/big/,
  },
  { name: 'a copy has no source', options: { copyIn: { '/x': { source: '/not/there' } } }, code: 'ENOENT', says: /\/not\/there/ },
  { name: 'a copy goes below a file', options: { copyIn: { '/etc/passwd/x': 'x' } }, code: 'ENOTDIR', says: /passwd/ },
  { name: 'a device is missing', options: { devices: ['/dev/not-there'] }, code: '', says: /not-there/ },
  { name: 'a sysctl is not there', options: { sysctls: { 'net.ipv4.not_there': '1' } }, code: 'ENOENT', says: /not_there/ },
  {
    name: 'a sysctl will not have the value',
    options: { sysctls: { 'net.ipv4.ip_forward': 'maybe' } },
    code: 'EINVAL',
    says: /ip_forward/,
  },
  { name: 'a limit is refused by the kernel', options: { ulimits: { nofile: 2 ** 40 } }, code: '', says: /nofile/ },
  { name: 'the working folder is a file', options: { cwd: '/etc/passwd' }, code: 'ENOTDIR', says: /\/etc\/passwd/ },
  { name: 'the user is unknown', options: { user: 'nobody-of-that-name' }, code: '', says: /nobody-of-that-name/ },
  { name: 'the program is missing', options: { command: ['not-there'] }, code: 'ENOENT', says: /not-there/ },
  { name: 'the program is missing at its path', options: { command: ['/not/there'] }, code: 'ENOENT', says: /\/not\/there/ },
  { name: 'the program may not be run', options: { command: ['/etc/passwd'] }, code: 'EACCES', says: /\/etc\/passwd/ },
  { name: 'the program is a folder', options: { command: ['/etc'] }, code: 'EACCES', says: /\/etc/ },
  {
    name: 'the program is no program',
    options: { copyIn: { '/x': { content: 'nonsense', mode: 0o755 } }, command: ['/x'] },
    code: 'ENOEXEC',
    says: /\/x/,
  },
  {
    name: 'the interpreter is missing',
    options: { copyIn: { '/x': { content: '#!/not/there\n', mode: 0o755 } }, command: ['/x'] },
    code: 'ENOENT',
    says: /\/x/,
  },
  { name: 'standard output cannot be opened', options: { stdout: { file: '/not/there/out' } }, code: 'ENOENT', says: /\/not\/there\/out/ },
];

describe('a step that fails undoes everything before it', () => {
  for (const { name, options, code, says } of failures) {
    it(name, async () => {
      const base = await busybox();
      const before = snapshot();
      const copyIn = { ...rich.copyIn, ...options.copyIn };
      const tmpfs = { ...rich.tmpfs, ...options.tmpfs };
      const error = await Container.run({ ...base, command: ['true'], ...rich, ...options, copyIn, tmpfs }).catch(
        (reason: unknown) => reason,
      );
      if (!(error instanceof Error)) throw new Error(`it ran: ${JSON.stringify(error)}`);
      expect(error.message).toMatch(says);
      if (code !== '') {
        expect(error).toBeInstanceOf(SyscallError);
        expect(error).toMatchObject({ code });
      }
      expect(error).not.toHaveProperty('cleanupError', expect.anything());
      expect(await leftovers(before)).toEqual([]);
    });
  }

  it('and the next container works', async () => {
    expect(await Container.run({ ...(await busybox()), command: ['true'], ...rich })).toMatchObject({ status: 'ok' });
  });
});
