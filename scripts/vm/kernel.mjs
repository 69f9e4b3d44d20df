// Debian's cloud kernel with an initrd of our own. Each version is fetched once and kept in the user's cache folder.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUSYBOX = '/bin/busybox';
/** What it takes to reach the host's files and the disk. All else is loaded from there, when the kernel asks for it. */
const EARLY_MODULES = ['virtio_pci', 'virtio_blk', 'virtiofs', 'overlay'];

/** The kernel that Debian's package lists name now: its release and the folder it was unpacked into. Throws where there is none. */
export function fetchKernel() {
  const release = releaseName();
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nacelle', 'vm');
  const kept = join(cache, release);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, '.new-'));
    try {
      download(release, folder);
      // two at once both make it, and one wins
      if (!existsSync(kept)) renameSync(folder, kept);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { folder: kept, image: join(kept, `boot/vmlinuz-${release}`), modules: join(kept, 'lib/modules', release) };
}

/** As in /lib/modules: `6.1.0-56-cloud-amd64`. */
function releaseName() {
  const depends = command('apt-cache', ['depends', 'linux-image-cloud-amd64']);
  const name = /Depends: linux-image-(\S+)/.exec(depends)?.[1];
  if (!name) throw new Error('apt knows no linux-image-cloud-amd64: this needs Debian, after apt-get update');
  return name;
}

function download(release, folder) {
  command('apt-get', ['download', '-q', `linux-image-${release}`], folder);
  const [file] = command('find', ['.', '-name', '*.deb'], folder).split('\n');
  command('dpkg-deb', ['-x', file, folder], folder);
  rmSync(join(folder, file));
  command(BUSYBOX, ['depmod', '-b', folder, release]);
}

/** An initrd with scripts/vm/init and what that needs. */
export function writeInitrd({ folder, modules }, path) {
  const root = mkdtempSync(`${path}-`);
  for (const name of ['bin', 'proc', 'sys', 'dev', 'host', 'changes', 'root']) mkdirSync(join(root, name));
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  copyFileSync(fileURLToPath(new URL('init', import.meta.url)), join(root, 'init'));
  for (const file of ['modules.dep', ...closure(modules)]) {
    const target = join(root, modules.slice(folder.length), file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(modules, file), target);
  }
  command('sh', ['-c', `find . | ${BUSYBOX} cpio -o -H newc > "$1"`, 'sh', path], root);
  rmSync(root, { recursive: true });
}

/** The files of the early modules and of what they depend on: modules.dep lists all of it. */
function closure(modules) {
  const lines = readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n');
  const files = EARLY_MODULES.flatMap((name) => {
    const line = lines.find((each) => each.split(':')[0].endsWith(`/${name}.ko`));
    if (line === undefined) throw new Error(`the kernel in ${modules} has no module ${name}`);
    return line.split(/[:\s]+/).filter(Boolean);
  });
  return new Set(files);
}

function command(name, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(name, args, { cwd, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}
