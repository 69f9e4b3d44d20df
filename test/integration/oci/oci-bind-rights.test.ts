import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'chown'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);
const BASE = 100_000;

describe('a container with a user namespace', () => {
  it('has binds of folders to which root of the host alone finds a way, with their flags', async () => {
    const closed = join(folder, 'closed');
    mkdirSync(join(closed, 'shown'), { recursive: true });
    writeFileSync(join(closed, 'shown', 'file'), 'shown\n');
    const source = join(closed, 'shown');
    const script = 'busybox cat /shown/file; busybox touch /shown/new 2> /dev/null || echo read-only';
    const bundle = makeBundle(folder, ['sh', '-c', script], (config) => {
      config.mounts.push({ destination: '/shown', type: 'bind', source, options: ['bind', 'ro'] });
      const map = [{ containerID: 0, hostID: BASE, size: 65_536 }];
      config.linux.namespaces.push({ type: 'user' });
      Object.assign(config.linux, { uidMappings: map, gidMappings: map });
    });
    chownSync(join(bundle, 'rootfs'), BASE, BASE);
    chmodSync(closed, 0);
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stdout: 'shown\nread-only\n' });
  });
});
