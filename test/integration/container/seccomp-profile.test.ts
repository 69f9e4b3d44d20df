import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type SeccompProfile } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true });

const everywhere = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64'];
/** EACCES is nothing that a root user would hear of mkdir(2) otherwise. */
const noFolders: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: everywhere,
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }],
};
const tmpfs = { '/t': 'mode=1777' };
const make = { image: 'host', command: ['mkdir', '/t/folder'], tmpfs, env: { LC_ALL: 'C' } } as const;

describe("a seccomp profile of the caller's", () => {
  useDetached();

  it('refuses what it refuses, and nothing else', async () => {
    const refused = await Container.run({ ...make, seccomp: noFolders });
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Permission denied') });
    expect(await Container.run({ ...make, seccomp: { ...noFolders, syscalls: [] } })).toMatchObject({ exitCode: 0 });
  });

  it('is read from a file, as it is at each start', async () => {
    const path = join(temporaryFolder(), 'profile.json');
    writeFileSync(path, JSON.stringify(noFolders));
    expect(await Container.run({ ...make, seccomp: path })).toMatchObject({ exitCode: 1 });
    writeFileSync(path, JSON.stringify({ ...noFolders, syscalls: [] }));
    expect(await Container.run({ ...make, seccomp: path })).toMatchObject({ exitCode: 0 });
    writeFileSync(path, '{\n"defaultAction": "ALLOW"}');
    await expect(Container.run({ ...make, seccomp: path })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('line 2: defaultAction'),
    });
    await expect(Container.run({ ...make, seccomp: `${path}.none` })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it.each([1, 38])('may not know close_range, since it is older (errno %s)', async (errnoRet) => {
    const older: SeccompProfile = { ...noFolders, syscalls: [{ names: ['close_range'], action: 'SCMP_ACT_ERRNO', errnoRet }] };
    const own = { image: 'host', command: ['sleep', '1000'], seccomp: older, noNewPrivileges: errnoRet === 1 } as const;
    await using container = await Container.create(own);
    await container.start();
    // that of the folder comes with ls
    expect(await container.exec(['ls', '/proc/self/fd'])).toMatchObject({ exitCode: 0, stdout: '0\n1\n2\n3\n' });
  });

  it('ends a program as it says, and the result tells why', async () => {
    const kill = { ...noFolders, syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_KILL_PROCESS' as const }] };
    expect(await Container.run({ ...make, seccomp: kill })).toMatchObject({ signal: 'SIGSYS', status: 'syscall-violation' });
  });

  it('holds for programs that join, and is told', async () => {
    await using container = await Container.create({ image: 'host', command: ['sleep', '1000'], tmpfs, seccomp: noFolders });
    await container.start();
    expect(await container.exec(['mkdir', '/t/folder'], { env: { LC_ALL: 'C' } })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Permission denied'),
    });
    expect((await container.inspect()).process).toMatchObject({ seccomp: 'profile', unknownCalls: [] });
  });

  it('is kept by a detached container', async () => {
    const allowed = { names: ['not_yet_a_call'], action: 'SCMP_ACT_LOG' as const };
    const seccomp = { ...noFolders, syscalls: [...(noFolders.syscalls ?? []), allowed] };
    const container = await Container.create({ image: 'host', command: ['sleep', '1000'], tmpfs, seccomp, detach: true });
    await container.start();
    const attached = await Container.attach(container.id);
    expect((await attached.inspect()).process).toMatchObject({ seccomp: 'profile' });
    expect(await attached.exec(['mkdir', '/t/folder'])).toMatchObject({ exitCode: 1 });
  });

  it('may have an init beside the program', async () => {
    expect(await Container.run({ ...make, seccomp: noFolders, init: true })).toMatchObject({ exitCode: 1 });
  });
});
