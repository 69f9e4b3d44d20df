import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { EMULATOR_TOOLS, emulator, throughEmulator } from '../fixtures/emulator.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const isX64 = process.arch === 'x64';
// on arm64 there is nothing to emulate
const { describe, it } = requires({ root: true, kernel: '6.7', tools: ['busybox', ...(isX64 ? EMULATOR_TOOLS : [])] });
const BINFMT = '/proc/sys/fs/binfmt_misc';

describe('build of RUNs for another platform', () => {
  const folder = temporaryFolder();

  (isX64 ? it : it.skip)(
    'has the emulator that binfmt_misc has, in a user namespace of its own',
    async () => {
      const before = existsSync(BINFMT) ? readdirSync(BINFMT) : [];
      copyFileSync(join(await busyboxRootfs(), 'bin/busybox'), join(folder, 'busybox-amd64'));
      copyFileSync(join(await emulator(), 'busybox'), join(folder, 'busybox-arm64'));
      execFileSync('chmod', ['-R', 'go+rX', folder]);
      const said = await runNode('build-platforms', [folder], { through: await throughEmulator() });
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
    },
    120_000,
  );
});
