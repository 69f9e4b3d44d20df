import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { probeProgram } from '../../lib/build/execute/probe-programs.js';
import { EMULATOR_TOOLS, emulator, THROUGH_EMULATOR_TOOLS, throughEmulator } from '../fixtures/emulator.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
// on arm64 there is nothing to emulate
const { describe, it } = requires({ arch: 'x64', root: true, kernel: '6.7', tools: ['busybox', ...EMULATOR_TOOLS] });
const BINFMT = '/proc/sys/fs/binfmt_misc';

describe('build of RUNs for another platform', () => {
  const folder = temporaryFolder();

  it('has the emulator that binfmt_misc has, in a user namespace of its own', async () => {
    const before = existsSync(BINFMT) ? readdirSync(BINFMT) : [];
    copyFileSync(join(await busyboxRootfs(), 'bin/busybox'), join(folder, 'busybox-amd64'));
    copyFileSync(join(await emulator(), 'busybox'), join(folder, 'busybox-arm64'));
    execFileSync('chmod', ['-R', 'go+rX', folder]);
    const said = await runNode('build-platforms', [folder], { through: throughEmulator(join(await emulator(), 'qemu')) });
    expect(said).toEqual({
      output: [
        'linux/amd64 to linux/amd64 on x86_64',
        'linux/amd64 to linux/arm64 on aarch64',
        'machine aarch64',
        'machine x86_64',
        'tools on x86_64',
      ],
      ran: { 'linux/amd64': 'tools on x86_64\nx86_64\nx86_64', 'linux/arm64': 'tools on x86_64\naarch64\naarch64' },
      cached: [true, true, true, null, true, null, true, true, true, null, true, null],
      isSame: true,
    });
    expect(existsSync(BINFMT) ? readdirSync(BINFMT) : []).toEqual(before);
  }, 120_000);
});

const failing = requires({ arch: 'x64', root: true, kernel: '6.7', tools: THROUGH_EMULATOR_TOOLS });

failing.describe('build of RUNs whose emulator fails', () => {
  const folder = temporaryFolder();

  // the emulator is a program that only ends, with other instructions in the place of its own: ud2, and a jump to itself
  failing.it.each([
    ['dies', '0f0b', 'killed by SIGILL'],
    ['does not end', 'ebfe', 'killed after 10,000 ms of wall time'],
  ])(
    'are refused before anything is carried out, where it %s',
    async (_, code, reason) => {
      const said = await runNode('build-refused-platform', [], { through: throughEmulator(madeOf(code), 'F') });
      expect(said).toEqual({
        name: 'UnsupportedError',
        feature: 'Dockerfile:3: RUN for linux/arm64',
        reason: `a program of arm64 that has only to end fails: ${reason}`,
        cause: 'ERR_RUN_FAILED',
        events: [],
      });
    },
    60_000,
  );

  failing.it(
    'fail themselves, where it is to be in the image',
    async () => {
      const said = await runNode('build-refused-platform', [], { through: throughEmulator(madeOf(''), '') });
      expect(said).toEqual({ name: 'BuildError', feature: null, reason: null, cause: 'ENOENT', events: ['stage', 'step', 'done', 'step'] });
    },
    60_000,
  );

  /** A program of amd64 with these instructions, which everybody may execute. */
  function madeOf(code: string): string {
    const program = probeProgram('amd64') ?? Buffer.alloc(0);
    program.set(Buffer.from(code, 'hex'), 120);
    const path = join(folder, `emulator-${code}`);
    writeFileSync(path, program, { mode: 0o755 });
    execFileSync('chmod', ['-R', 'go+rX', folder]);
    return path;
  }
});
