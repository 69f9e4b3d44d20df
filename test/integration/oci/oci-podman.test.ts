import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { makeBusyboxRoot } from '../../fixtures/busybox-root.js';
import { removeGroups } from '../../fixtures/groups.js';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { PODMAN_TOOLS, podmanScript } from '../../fixtures/podman.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner } from '../../fixtures/resident-planner.js';
import { installFront } from '../../fixtures/runtime-bundle.js';
import { scriptParts } from '../../fixtures/script-parts.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: [...PODMAN_TOOLS, 'busybox', 'tar'] });
const resident = useResidentPlanner();
const { folder, states } = resident;
const GROUP = `nacelle-test-${process.pid}`;

afterEach(() => removeGroups(...cgroupMounts().flatMap(({ path }) => [join(path, GROUP, 'conmon'), join(path, GROUP)])));

describe('podman', () => {
  it.each(['', ' and a planner that stays'])('runs, enters and removes containers with this runtime%s, without a PATH', (stays) => {
    const root = mkdtempSync(join(folder, 'root-'));
    makeBusyboxRoot(root);
    mkdirSync(join(root, 'data'));
    writeFileSync(join(root, 'data/file'), 'of the image\n');
    const archive = join(folder, 'root.tar');
    execFileSync('tar', ['-c', '-C', root, '-f', archive, '.']);
    // in a script, for what podman starts to clean up is not told of the runtime's arguments
    const runtime = join(folder, 'nacelle-oci');
    const front = stays === '' ? installFront(join(folder, 'cold')) : resident.front;
    writeFileSync(runtime, `#!/bin/sh\nexec '${front}' --root '${states}' "$@"\n`, { mode: 0o755 });
    const limits = `--network=none --cgroup-parent=/${GROUP} --ulimit=nofile=1024:1024 --ulimit=nproc=1000:1000`;
    const printed = podmanScript(
      folder,
      `podman import -q ${archive} local/busybox > /dev/null
echo == run; podman run --rm ${limits} --tmpfs /data --user 7:8 local/busybox sh -c 'cat /data/file; busybox grep Groups: /proc/self/status; exit 5'; echo $?
${stays === '' ? '' : `until [ -S '${states}/@planner' ]; do sleep 0.1; done`}
echo == missing; podman run --rm ${limits} local/busybox nowhere > /dev/null 2>&1; echo $?
echo == detached; podman run -d --name one ${limits} local/busybox sh -c 'echo begun; echo failed >&2; busybox sleep 1000' > /dev/null; echo $?
echo == exec; podman exec -e A=b one sh -c 'echo $A; exit 7'; echo $?
echo == exec-missing; podman exec one nowhere > /dev/null 2>&1; echo $?
echo == limits; podman exec one cat /proc/self/limits | busybox grep -c 'Max open files *1024'
echo == pause; podman pause one > /dev/null; podman ps -a --format '{{.Status}}' | busybox cut -c1-6; podman unpause one > /dev/null; echo $?
echo == logs; podman logs one
echo == removed; podman rm -f -t 0 one > /dev/null; echo $?; podman ps -aq`,
      { runtime, arguments: [] },
    );
    expect(scriptParts(printed)).toEqual({
      run: 'of the image\nGroups:\t8 \n5\n',
      missing: '127\n',
      detached: '0\n',
      exec: 'b\n7\n',
      'exec-missing': '127\n',
      limits: '1\n',
      pause: 'Paused\n0\n',
      logs: 'begun\nfailed\n',
      removed: '0\n',
    });
    expect((existsSync(states) ? readdirSync(states) : []).filter((name) => !name.startsWith('@'))).toEqual([]);
    if (stays === '') return;
    // the first container was made before the planner served
    const begun = resident.started().map((line) => line.split(' ')[0]);
    expect(begun.filter((command) => command === 'create' || command === 'exec')).toEqual(['create']);
    expect(resident.planners()).toHaveLength(1);
  });
});
