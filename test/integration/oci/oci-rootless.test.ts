import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';
import { throughUser, USER } from '../../fixtures/become-user.js';
import { makeBusyboxRoot } from '../../fixtures/busybox-root.js';
import { isAlive } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { givingIds } from '../../fixtures/ordinary-user.js';
import { requires } from '../../fixtures/requires.js';
import { type BundleChange, called, installFront, makeBundle, type RuntimeCall } from '../../fixtures/runtime-bundle.js';
import { scriptParts } from '../../fixtures/script-parts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({
  root: true,
  tools: ['busybox', 'runc', 'setpriv', 'mount', 'unshare', 'newuidmap', 'newgidmap', 'podman', 'tar'],
});
const folder = temporaryFolder();

const FIRST = 700_000;

/** A bundle of the user's, with the config.json of `spec --rootless`. */
function usersBundle(script: string, change: BundleChange = () => undefined): string {
  const bundle = makeBundle(folder, ['sh', '-c', script], (config) => {
    const { linux, mounts } = JSON.parse(specText({ cgroupNamespace: false, rootless: { uid: USER, gid: USER } }));
    Object.assign(config, { linux, mounts, root: { path: 'rootfs', readonly: false } });
    change(config);
  });
  chmodSync(folder, 0o755);
  for (const path of ['', 'rootfs', 'config.json']) {
    chmodSync(join(bundle, path), 0o755);
    chownSync(join(bundle, path), USER, USER);
  }
  return bundle;
}

/** Runs a script of the user's, in which `oci` and `runc` are the runtimes. */
function asUser(script: string, before = 'true'): Promise<RuntimeCall> {
  const head = `oci() { '${process.execPath}' '${programFile('nacelle-oci')}' "$@"; }\nrunc() { command runc --root /mnt/run/runc "$@"; }`;
  const [command = '', ...args] = throughUser(before);
  return called(command, [...args, 'sh', '-c', `exec 2>&1\n${head}\n${script}`]);
}

describe('the runtime as an ordinary user', () => {
  it('runs a bundle as runc does', async () => {
    const asks = [
      'id -u; busybox grep -E "^(Uid|Gid|Cap...|NoNewPrivs|Seccomp):" /proc/self/status; busybox tr -s " " < /proc/self/uid_map',
      'busybox stat -c "%n %F %t:%T" /dev/null /dev/tty; echo x > /made; busybox hostname; set -- /proc/[0-9]*; echo $#',
      'echo gone > /dev/null; busybox ls /sys/fs/cgroup | busybox grep -E "^(memory|pids|cgroup.procs)"; exit 3',
    ];
    const bundle = usersBundle(asks.join(';'));
    const call = await asUser(`echo == ours; oci run -b ${bundle} one; echo $?; echo == theirs; runc run -b ${bundle} one; echo $?`);
    const { ours, theirs } = scriptParts(call.stdout);
    expect(ours).toBe(theirs);
    expect(ours).toContain(` 0 ${USER} 1\n`);
    expect(ours).toMatch(/\n3\n$/);
    expect(lstatSync(join(bundle, 'rootfs/made')).uid).toBe(USER);
  });

  it('begins with the config.json of `spec --rootless`, which is runc’s', async () => {
    const { stdout } = await asUser(
      `cd /mnt/home; mkdir ours theirs; oci spec --rootless -b ours; runc spec --rootless -b theirs
echo == ours; cat ours/config.json; echo == theirs; cat theirs/config.json`,
    );
    const parts = scriptParts(stdout);
    const of = (text = ''): object => {
      const { mounts, linux, process } = JSON.parse(text);
      return { mounts, linux, args: process.args };
    };
    expect(of(parts.ours)).toEqual(of(parts.theirs));
  });

  it('creates, enters, tells of and removes a container as runc does', async () => {
    // runc's exec is done a moment before its program runs, and until then the namespaces of the process can't be read
    const steps = (runtime: string): string => `
${runtime} create -b ${usersBundle('busybox sleep 1000')} --pid-file /mnt/run/pid one; echo $?
${runtime} state one | busybox grep -E '"(status|owner)"'; ${runtime} start one; echo $?
${runtime} exec one sh -c 'id -u; id -g; busybox grep -E "^(Uid|Cap...):" /proc/self/status; busybox ps | busybox grep -c "slee[p]"; exit 9'; echo $?
${runtime} exec --user 1 one true 2> /dev/null; test $? -ne 0 && echo refused
${runtime} exec -d --pid-file /mnt/run/other one busybox sleep 1001; echo $?
for _ in $(seq 50); do readlink /proc/$(cat /mnt/run/other)/ns/pid > /dev/null && break; sleep 0.1; done
test "$(readlink /proc/$(cat /mnt/run/pid)/ns/pid)" = "$(readlink /proc/$(cat /mnt/run/other)/ns/pid)" && echo same
${runtime} pause one 2> /dev/null; test $? -ne 0 && echo 'not paused'
${runtime} delete one 2> /dev/null; test $? -ne 0 && echo 'not removed'
${runtime} kill one KILL; echo $?
while ! ${runtime} state one | busybox grep -q stopped; do :; done
${runtime} delete one; echo $?; ${runtime} list -q; echo end`;
    const { stdout } = await asUser(
      `echo == ours; ${steps('oci')}; echo == theirs; ${steps('runc')}; echo == left; ls /mnt/run/nacelle-oci`,
    );
    const { ours, theirs, left } = scriptParts(stdout);
    expect(ours).toBe(theirs);
    expect(ours).toContain('9\nrefused\n0\nsame\nnot paused\nnot removed\n');
    expect(left).toBe('');
  });

  it('lists no containers before the first was made, and refuses a root that is not there where it was named', async () => {
    expect((await asUser('oci list -q; echo $?; oci --root /mnt/run/none list; echo $?')).stdout).toBe(
      '0\nopen /mnt/run/none: no such file or directory\n1\n',
    );
  });

  it('needs no groups for what engines name of the kernel’s defaults', async () => {
    const bundle = usersBundle('echo ran', ({ linux }) => {
      linux.resources = { memory: { disableOOMKiller: false }, cpu: { period: 100_000 } };
    });
    expect((await asUser(`oci run -b ${bundle} one; echo $?`)).stdout).toBe('ran\n0\n');
  });

  it('has the ids that newuidmap(1) gives, and clocks of its own', async () => {
    const script =
      'busybox tr -s " " < /proc/self/uid_map; busybox id -G; busybox chown 7:8 /made; busybox grep -c 86400 /proc/self/timens_offsets';
    const maps = [
      { containerID: 0, hostID: USER, size: 1 },
      { containerID: 1, hostID: FIRST, size: 65_535 },
    ];
    const bundle = usersBundle(`echo x > /made; ${script}`, (config) => {
      config.linux.namespaces.push({ type: 'time' });
      Object.assign(config.linux, { uidMappings: maps, gidMappings: maps, timeOffsets: { boottime: { secs: 86_400 } } });
      const capabilities = Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, ['CAP_CHOWN']]));
      Object.assign(config.process, { capabilities, user: { uid: 0, gid: 0, additionalGids: [5] } });
    });
    const { stdout } = await asUser(`oci run -b ${bundle} one`, givingIds(folder, `tester:${FIRST}:65536`));
    expect(stdout).toBe(` 0 ${USER} 1\n 1 ${FIRST} 65535\n0 5\n1\n`);
    const made = lstatSync(join(bundle, 'rootfs/made'));
    expect([made.uid, made.gid]).toEqual([FIRST + 6, FIRST + 7]);
  });

  it('refuses before anything is made what no user may have', async () => {
    const withoutUsers: BundleChange = (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
    };
    const cases: [BundleChange, string][] = [
      [withoutUsers, 'linux.uidMappings'],
      [
        (config) => {
          withoutUsers(config);
          Object.assign(config.linux, { uidMappings: [], gidMappings: [] });
        },
        'rootless container requires user namespaces',
      ],
      [(config) => Object.assign(config.process, { user: { uid: 0, gid: 0, additionalGids: [0] } }), 'process.user.additionalGids'],
      [(config) => Object.assign(config.linux, { resources: { pids: { limit: 9 } } }), 'limits of the cgroup controller pids'],
      [(config) => Object.assign(config.linux, { cgroupsPath: '/nacelle-test-none' }), 'nacelle-test-none'],
    ];
    for (const [change, words] of cases) {
      const { stdout } = await asUser(`oci run -b ${usersBundle('echo ran', change)} one; echo $?; ls /mnt/run/nacelle-oci 2> /dev/null`);
      expect(stdout).toContain(words);
      expect(stdout).toMatch(/\n1\n$/);
      expect(stdout).not.toContain('ran\n');
    }
    expect((await asUser('oci --rootless=perhaps list; echo $?')).stdout).toBe(
      'invalid value "perhaps" for flag -rootless: must be true, false or auto\n1\n',
    );
  });

  it('makes no container where groups are asked for all the same', async () => {
    const bundle = usersBundle('echo ran');
    const { stdout } = await asUser(`oci --rootless=false run -b ${bundle} one; echo $?`);
    expect(stdout).toMatch(/(?:EACCES|EPERM|EROFS)[\s\S]*\n1\n$/);
  });
});

describe('the runtime as root of a user namespace', () => {
  it('makes a container in that namespace, without groups, as rootless podman has it', async () => {
    const bundle = usersBundle('id -u; busybox stat -c %t:%T /dev/null; busybox tr -s " " < /proc/self/uid_map', (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
      Object.assign(config.linux, { uidMappings: [], gidMappings: [], resources: { devices: [{ allow: false, access: 'rwm' }] } });
    });
    const inside = join(folder, 'inside');
    const ours = `'${process.execPath}' '${programFile('nacelle-oci')}'`;
    const script = [
      `echo == ours; ${ours} run -b ${bundle} one; echo $?`,
      `${ours} run -d -b ${bundle} two > /dev/null; ${ours} delete --force two; echo $?; ${ours} list -q`,
      `echo == theirs; runc --root /mnt/run/runc run -b ${bundle} one; echo $?`,
    ];
    writeFileSync(inside, script.join('\n'));
    const { stdout } = await asUser(`unshare --user --map-root-user sh ${inside}; echo == left; ls /mnt/run/nacelle-oci`);
    const parts = scriptParts(stdout);
    expect(parts.ours).toBe(`0\n1:3\n 0 ${USER} 1\n0\n0\n`);
    expect(parts.theirs).toBe(`0\n1:3\n 0 ${USER} 1\n0\n`);
    expect(parts.left).toBe('');
  });
});

/** Ends the process by which podman keeps its user namespace: it stays behind, a child of the machine's first process. */
async function endPause(pid: number): Promise<void> {
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('podman');
  process.kill(pid, 'SIGKILL');
  await until('the pause process of podman has ended', () => !isAlive(pid));
}

describe('rootless podman', () => {
  it('runs and enters containers with this runtime', async () => {
    const root = mkdtempSync(join(folder, 'root-'));
    makeBusyboxRoot(root);
    for (const path of [root, folder]) chmodSync(path, 0o755);
    const archive = join(folder, 'root.tar');
    execFileSync('tar', ['-c', '-C', root, '-f', archive, '.']);
    const runtime = join(folder, 'nacelle-oci');
    installFront(runtime);
    const settings = '[engine]\nlock_type = "file"\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\nruntime = "runc"\n';
    writeFileSync(join(folder, 'containers.conf'), settings);
    writeFileSync(join(folder, 'storage.conf'), '[storage]\ndriver = "vfs"\nrunroot = "/mnt/run/store"\ngraphroot = "/mnt/home/store"\n');
    for (const name of ['containers.conf', 'storage.conf', 'root.tar']) chmodSync(join(folder, name), 0o644);
    const limits = '--network=none --security-opt seccomp=unconfined';
    const { stdout } = await asUser(
      `unset DOCKER_CONFIG; export CONTAINERS_CONF=${folder}/containers.conf CONTAINERS_STORAGE_CONF=${folder}/storage.conf HOME=/mnt/home
cd /mnt/home
podman() { command podman --tmpdir /mnt/run/tmp --runtime ${runtime} "$@"; }
podman import -q ${archive} local/busybox > /dev/null
echo == run; podman run --rm ${limits} --user 7:8 local/busybox sh -c 'id -u; busybox head -n 1 /proc/self/uid_map | busybox tr -s " "; exit 5'; echo $?
echo == detached; podman run -d --name one ${limits} local/busybox busybox sleep 1000 > /dev/null; echo $?
echo == exec; podman exec -e A=b one sh -c 'echo $A; exit 7'; echo $?
echo == removed; podman rm -f -t 0 one > /dev/null; echo $?; podman ps -aq; ls /mnt/run/nacelle-oci
echo == end; podman unshare rm -rf /mnt/home/store
echo == pause; cat /mnt/run/tmp/pause.pid`,
      `${givingIds(folder, `tester:${FIRST}:65536`)}\nmount -t tmpfs -o mode=1777 none /dev/shm`,
    );
    const { run, detached, exec, removed, pause } = scriptParts(stdout);
    await endPause(Number(pause));
    expect({ run, detached, exec, removed }).toEqual({
      run: `7\n 0 ${USER} 1\n5\n`,
      detached: '0\n',
      exec: 'b\n7\n',
      removed: '0\n',
    });
  });
});
