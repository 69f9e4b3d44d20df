import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect } from 'vitest';
import { busyboxArchive, CONTAINERD_TOOLS, Containerd, IMAGE } from '../../fixtures/containerd.js';
import { Cri } from '../../fixtures/cri/client.js';
import { removeGroups } from '../../fixtures/groups.js';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { processesWith, STAY } from '../../fixtures/resident-planner.js';
import { installFront } from '../../fixtures/runtime-bundle.js';
import { scriptParts } from '../../fixtures/script-parts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, cniPlugins: true, tools: [...CONTAINERD_TOOLS, 'grep', 'find'] });
const folder = temporaryFolder();
const GROUP = `nacelle-test-${process.pid}`;
const runtime = join(folder, 'nacelle-oci');
let archive = '';

beforeAll(() => {
  installFront(runtime);
  archive = busyboxArchive(folder);
});
afterEach(() => removeGroups(...cgroupMounts().flatMap(({ path }) => [join(path, GROUP, 'one'), join(path, GROUP)])));

describe('containerd', () => {
  it('runs, enters, changes and removes containers by ctr', async () => {
    await using containerd = await Containerd.start(folder, { runtime, archive });
    const printed = containerd.script(
      `image=${IMAGE}
run="$run --cgroup /${GROUP}/one"
echo == run; ctr run --rm $run $image one sh -c 'echo out; exit 5'; echo $?
echo == missing; ctr run --rm $run $image one nowhere 2>&1 | grep -o 'executable file not found in \\$PATH'
echo == limits; ctr run --rm $run --memory-limit 67108864 --env A=b --cwd /bin $image one sh -c 'echo $A $PWD'
echo == detached; ctr run --detach $run $image two; ctr task ls -q
echo == exec; ctr task exec --exec-id in two sh -c 'exit 3'; echo $?
echo == ps; ctr task ps two | wc -l
echo == pause; ctr task pause two; ctr task ls | tail -1 | grep -o '[A-Z]*$'; ctr task resume two; ctr task ls | tail -1 | grep -o '[A-Z]*$'
echo == metrics; ctr task metrics two | grep -c -E 'memory|pids'
echo == killed; ctr task kill --signal KILL two; while ctr task ls | grep RUNNING > /dev/null; do :; done; ctr task delete two 2>&1 | grep -o 'exit code [0-9]*'
echo == removed; ctr container delete two; ctr container ls -q; find '${folder}' -path '*/states/*/*' 2>/dev/null || true`, // containerd removes folders of its own meanwhile
    );
    expect(scriptParts(printed)).toEqual({
      run: 'out\n5\n',
      missing: 'executable file not found in $PATH\n',
      limits: 'b /bin\n',
      detached: 'two\n',
      exec: '3\n',
      ps: '2\n',
      pause: 'PAUSED\nRUNNING\n',
      metrics: expect.stringMatching(/^[1-9]/),
      killed: 'exit code 137\n',
      removed: '',
    });
  });

  it('has a planner that stays make the containers after the first, in no group of theirs', async () => {
    const front = installFront(join(folder, 'resident'), { resident: STAY });
    await using containerd = await Containerd.start(folder, { runtime: front, archive });
    const planners = (): number[] =>
      processesWith(`\0planner\0${STAY}\0`).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder));
    try {
      const printed = containerd.script(
        `image=${IMAGE}
run="$run --cgroup /${GROUP}/one"
echo == first; ctr run --rm $run $image one sh -c 'echo out; exit 5'; echo $?
until find '${folder}' -path '*/states/*/@planner' | grep -q .; do sleep 0.1; done
echo == second; ctr run --rm $run $image one sh -c 'echo out; exit 5'; echo $?
echo == detached; ctr run --detach $run $image two; ctr task exec --exec-id in two sh -c 'exit 3'; echo $?
echo == killed; ctr task kill --signal KILL two; while ctr task ls | grep RUNNING > /dev/null; do :; done; ctr task delete two 2>&1 | grep -o 'exit code [0-9]*'
echo == removed; ctr container delete two; ctr container ls -q; find '${folder}' -path '*/states/*/*' | grep -o '[^/]*$'`,
      );
      expect(scriptParts(printed)).toEqual({
        ...{ first: 'out\n5\n', second: 'out\n5\n', detached: '3\n', killed: 'exit code 137\n', removed: '@planner\n' },
      });
      const [pid, ...more] = planners();
      expect(more).toEqual([]);
      expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).not.toContain(GROUP);
    } finally {
      for (const pid of planners()) process.kill(pid, 'SIGKILL');
    }
    await until('the planner has ended', () => planners().length === 0);
  });

  it('runs a pod of two containers as Kubernetes has it run', async () => {
    await using containerd = await Containerd.start(folder, { runtime, archive });
    using cri = new Cri(containerd.socket);
    const logs = join(folder, 'logs');
    mkdirSync(logs);
    const pod = {
      metadata: { name: 'pod', uid: '1', namespace: 'test' },
      ...{ hostname: 'pod', log_directory: logs, linux: { cgroup_parent: `/${GROUP}` } },
    };
    const { pod_sandbox_id } = await cri.call<{ pod_sandbox_id: string }>('RunPodSandbox', { config: pod, runtime_handler: 'nacelle' });
    const started = async (name: string, script: string): Promise<string> => {
      const config = {
        ...{ metadata: { name }, image: { image: IMAGE }, command: ['sh', '-c', script], log_path: `${name}.log` },
        linux: { resources: { memory_limit_in_bytes: 64 << 20 } },
      };
      const { container_id } = await cri.call<{ container_id: string }>('CreateContainer', { pod_sandbox_id, config, sandbox_config: pod });
      await cri.call('StartContainer', { container_id });
      return container_id;
    };
    const server = await started('server', 'hostname; busybox nc -l -p 80 -e busybox echo answer; exec busybox sleep 1000');
    const client = await started('client', 'exec busybox sleep 1000');
    const run = async (container_id: string, script: string) => {
      const { stdout, exit_code } = await cri.call<{ stdout: Buffer; exit_code: number }>('ExecSync', {
        container_id,
        cmd: ['sh', '-c', script],
      });
      return [stdout.toString(), exit_code];
    };
    // the network is the pod's, the processes are each container's
    expect(await run(client, 'until busybox nc 127.0.0.1 80; do :; done; exit 3')).toEqual(['answer\n', 3]);
    expect(await run(client, 'busybox ps | busybox grep -c "[n]c -l"')).toEqual(['0\n', 1]);
    const stats = await cri.call<{ stats: { memory: { working_set_bytes: { value: number } } } }>('ContainerStats', {
      container_id: client,
    });
    expect(stats.stats.memory.working_set_bytes.value).toBeGreaterThan(0);
    await cri.call('UpdateContainerResources', { container_id: client, linux: { memory_limit_in_bytes: 96 << 20 } });
    expect(await run(client, 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null')).toEqual([
      `${96 << 20}\n`,
      expect.any(Number),
    ]);
    for (const container_id of [server, client]) {
      await cri.call('StopContainer', { container_id, timeout: 0 });
      const { status } = await cri.call<{ status: object }>('ContainerStatus', { container_id });
      expect(status).toMatchObject({ state: 2, exit_code: 137 });
      await cri.call('RemoveContainer', { container_id });
    }
    expect(readFileSync(join(logs, 'server.log'), 'utf8')).toMatch(/ stdout F pod\n/);
    await cri.call('StopPodSandbox', { pod_sandbox_id });
    await cri.call('RemovePodSandbox', { pod_sandbox_id });
  });
});
