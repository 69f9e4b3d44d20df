import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { launcherText } from '../../../lib/runtime-cli/launcher.js';
import { busyboxArchive, CONTAINERD_TOOLS, containerdScript } from '../../fixtures/containerd.js';
import { removeGroups } from '../../fixtures/groups.js';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { scriptParts } from '../../fixtures/script-parts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: [...CONTAINERD_TOOLS, 'grep', 'find'] });
const folder = temporaryFolder();
const GROUP = `nacelle-test-${process.pid}`;

afterEach(() =>
  removeGroups(...cgroupMounts().flatMap(({ path }) => [...['one', 'two'].map((id) => join(path, GROUP, id)), join(path, GROUP)])),
);

describe('containerd', () => {
  it('runs, enters, changes and removes containers with this runtime', () => {
    const runtime = join(folder, 'nacelle-oci');
    writeFileSync(runtime, launcherText(process.execPath, programFile('nacelle-oci')), { mode: 0o755 });
    const printed = containerdScript(
      folder,
      `run="$run --cgroup /${GROUP}/one"
echo == run; ctr run --rm $run $image one sh -c 'echo out; echo err >&2; exit 5'; echo $?
echo == missing; ctr run --rm $run $image one nowhere 2>&1 | grep -o 'executable file not found in \\$PATH'
echo == limits; ctr run --rm $run --memory-limit 67108864 --env A=b --cwd /bin $image one sh -c 'echo $A $PWD'
echo == detached; ctr run --detach $run $image two busybox sleep 1000; ctr task ls -q
echo == exec; ctr task exec --exec-id in two sh -c 'echo in; exit 3'; echo $?
echo == ps; ctr task ps two | wc -l
echo == pause; ctr task pause two; ctr task ls | tail -1 | grep -o '[A-Z]*$'; ctr task resume two; ctr task ls | tail -1 | grep -o '[A-Z]*$'
echo == metrics; ctr task metrics two | grep -c -E 'memory|pids'
echo == killed; ctr task kill --signal KILL two; while ctr task ls | grep RUNNING > /dev/null; do :; done; ctr task delete two 2>&1 | grep -o 'exit code [0-9]*'
echo == removed; ctr container delete two; ctr container ls -q; find '${folder}' -path '*/states/*/*'`,
      { runtime, archive: busyboxArchive(folder) },
    );
    expect(scriptParts(printed)).toEqual({
      run: 'out\nerr\n5\n',
      missing: 'executable file not found in $PATH\n',
      limits: 'b /bin\n',
      detached: 'two\n',
      exec: 'in\n3\n',
      ps: '2\n',
      pause: 'PAUSED\nRUNNING\n',
      metrics: expect.stringMatching(/^[1-9]/),
      killed: 'exit code 137\n',
      removed: '',
    });
  });
});
