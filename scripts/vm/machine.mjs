// A virtual machine with a Debian kernel and pure cgroup v2. Its root is the host's, copy-on-write, so that it runs what is
// built and installed here. QEMU's software emulation: about 10 s to boot, 5 to 10 times slower than the host.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root, run } from '../shared.mjs';
import { fetchKernel, writeInitrd } from './kernel.mjs';

const QEMU = '/usr/bin/qemu-system-x86_64';
/** Debian 12 has it in qemu-system-common, later ones in a package of its own. */
const VIRTIOFSD = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'].find((path) => existsSync(path));
const MEMORY = '3G';
const DISK = 8 * 1024 ** 3;
/** The emulator reads one table of pages more at each miss where addresses have 57 bits. */
const CPU = 'max,la57=off';
/** The kernel's defences are for processors that run ahead, which an emulator does not; its other clock is a device, which Node asks all the time. */
const FAST = 'mitigations=off init_on_alloc=0 tsc=reliable';
/** On a host that is busy the emulated timer may not tick while the kernel tries whether it does, and the kernel would panic. */
const PATIENT = 'no_timer_check';
const SIGNALS = ['SIGINT', 'SIGTERM'];
/** How many times longer a test may wait before it gives up. */
const PATIENCE = 3;

/** `{ kernel }`, or `{ reason }` why no machine can be started here. */
export function prepare() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { reason: 'needs Linux on x86-64' };
  if (process.geteuid() !== 0) return { reason: 'needs root, to serve the root file system' };
  if (!existsSync('/bin/busybox')) return { reason: 'the Debian package busybox-static is not installed' };
  if (!existsSync(QEMU)) return { reason: 'the Debian package qemu-system-x86 is not installed' };
  if (!VIRTIOFSD) return { reason: 'virtiofsd is not installed: Debian has it in qemu-system-common or virtiofsd' };
  try {
    return { kernel: fetchKernel() };
  } catch (error) {
    return { reason: error.message };
  }
}

/**
 * Boots, runs a bash script as root in the project's folder, and powers off. The script finds a folder of the host at
 * /run/vm, written through; `collect` gets that folder when all is over. With `systemd`, Debian's systemd is process 1, and the script a
 * service of it. The script's exit status, or `null` without one.
 */
export async function runInMachine(kernel, script, { collect = () => {}, minutes = 45, systemd = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-vm-'));
  const processes = [];
  try {
    chmodSync(folder, 0o711);
    writeFileSync(join(folder, 'start'), systemd ? systemdScript : startScript);
    writeFileSync(join(folder, 'script'), wholeScript(script));
    writeInitrd(kernel, join(folder, 'initrd'));
    // an overlay, as the root is one, can't be the upper of another
    writeFileSync(join(folder, 'disk'), '');
    truncateSync(join(folder, 'disk'), DISK);
    if (!run('mkfs.ext4', ['-q', '-O', '^has_journal', join(folder, 'disk')])) throw new Error('no disk for the machine');
    const files = start(VIRTIOFSD, [`--socket-path=${folder}/socket`, '-o', 'source=/,cache=always,sandbox=chroot']);
    processes.push(files);
    await untilThere(`${folder}/socket`, files);
    const machine = start(QEMU, qemuArguments(kernel, folder, systemd ? 'security=selinux' : ''));
    processes.push(machine);
    machine.child.stdout.pipe(process.stdout);
    const end = () => machine.child.kill('SIGKILL');
    const clock = setTimeout(end, minutes * 60_000);
    let signalled = false;
    const onSignal = () => {
      signalled = true;
      end();
    };
    for (const signal of SIGNALS) process.once(signal, onSignal);
    await machine.ended;
    clearTimeout(clock);
    for (const signal of SIGNALS) process.off(signal, onSignal);
    if (signalled) throw new Error('ended by a signal');
    collect(folder);
    return statusIn(folder, machine.errors());
  } finally {
    for (const { child, ended } of processes) {
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
    // virtiofsd names it after its socket, and leaves it
    rmSync(`/run/virtiofsd/${folder.replaceAll('/', '.')}.socket.pid`, { force: true });
  }
}

/** @param more parameters of the kernel, which has one of AppArmor, its default, and SELinux */
function qemuArguments({ image, modules }, folder, more) {
  return [
    ...['-machine', 'q35', '-accel', process.env.NACELLE_VM_ACCEL ?? 'tcg,thread=multi', '-cpu', CPU, '-smp', '2'],
    ...['-m', MEMORY, '-object', `memory-backend-memfd,id=memory,size=${MEMORY},share=on`, '-numa', 'node,memdev=memory'],
    ...['-display', 'none', '-vga', 'none', '-monitor', 'none', '-nic', 'none', '-no-reboot'],
    // the kernel speaks on the first line, the script on the second
    ...['-serial', `file:${folder}/console`, '-serial', 'stdio'],
    ...['-chardev', `socket,id=files,path=${folder}/socket`, '-device', 'vhost-user-fs-pci,chardev=files,tag=host'],
    ...['-drive', `file=${folder}/disk,format=raw,if=virtio,cache=unsafe`],
    ...['-kernel', image, '-initrd', `${folder}/initrd`],
    ...['-append', `console=ttyS0 quiet panic=-1 work=${folder} project="${root}" modules="${modules}" ${FAST} ${PATIENT} ${more}`],
  ];
}

/** What process 1 does first, once the host's root is there. */
const places = `
mkdir -p /mnt /var/lib/nacelle
mount /dev/vda /mnt
for folder in /home /var/lib/nacelle; do mkdir -p /mnt$folder; mount --bind /mnt$folder $folder; done
`;

/** Process 1 as a script, in a group such as a service has, as on a machine with systemd. */
const startScript = `${places}
for controller in $(</sys/fs/cgroup/cgroup.controllers); do echo +$controller >/sys/fs/cgroup/cgroup.subtree_control; done
mkdir -p /sys/fs/cgroup/system.slice/vm.service
echo $$ >/sys/fs/cgroup/system.slice/vm.service/cgroup.procs
bash /run/vm/script
sleep infinity
`;

/** Process 1 becomes systemd, which gets the units of scripts/vm/units, and none of those that the host starts at its boot. */
const systemdScript = `${places}
bash "${root}/scripts/vm/with-systemd"
exec /lib/systemd/systemd --unit=nacelle-vm.target --show-status=false --log-target=kmsg --log-level=notice
`;

/** Runs the caller's script, and ends the machine. */
function wholeScript(script) {
  const kept = Object.entries(process.env).filter(([name]) => /^(PATH|CI|NACELLE_.*)$/.test(name));
  // through cat, as programs write otherwise to a terminal
  return `cd ${quote(root)}
export HOME=/root TERM=dumb NACELLE_TEST_IN_VM=1 NACELLE_TEST_PATIENCE=${PATIENCE} ${kept.map(([name, value]) => `${name}=${quote(value)}`).join(' ')}
# users too get to Node and to the project: these files are a copy
for folder in "$PWD" "$(dirname "$(command -v node)")"; do
  while [[ $folder != / ]]; do chmod a+rx "$folder"; folder=$(dirname "$folder"); done
done
stty -F /dev/ttyS1 raw
(
${script}
) </dev/null 2>&1 | cat >/dev/ttyS1
echo \${PIPESTATUS[0]} >/run/vm/status
echo o >/proc/sysrq-trigger
`;
}

function statusIn(folder, errors) {
  const path = join(folder, 'status');
  if (existsSync(path)) return Number(readFileSync(path, 'utf8'));
  const console_ = join(folder, 'console');
  const said = existsSync(console_) ? readFileSync(console_, 'utf8').slice(-4000) : '';
  console.error(`the machine ended before its script did\n${said}${errors}`);
  return null;
}

/** Starts what ends with this process, whatever ends that. */
function start(command, args) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  return { child, ended: once(child, 'close'), errors: () => errors };
}

async function untilThere(path, { child, errors }) {
  while (!existsSync(path)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${VIRTIOFSD} ended: ${errors()}`);
    await delay(20);
  }
}

export function quote(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
