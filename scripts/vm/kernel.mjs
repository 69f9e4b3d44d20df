// Debian's cloud kernel with an initrd of our own. Each version is fetched once and kept in the user's cache folder.
// NACELLE_VM_SUITE, as `trixie`, takes that of another suite, from the mirror that this machine has its own suite from.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listsIn, unpack } from '../apt.mjs';
import { command } from '../shared.mjs';

const BUSYBOX = '/bin/busybox';
/** What it takes to reach the host's files and the disk. All else is loaded from there, when the kernel asks for it. */
const EARLY_MODULES = ['virtio_pci', 'virtio_blk', 'virtiofs', 'overlay'];

/** The kernel that Debian's package lists name now: its release and the folder it was unpacked into. Throws where there is none. */
export function fetchKernel({ suite = process.env.NACELLE_VM_SUITE, architecture } = {}) {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nacelle', 'vm');
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, '.new-'));
  try {
    const apt = suite || architecture ? listsIn(join(scratch, 'apt'), { suite, architecture }) : [];
    const release = releaseName(apt, architecture);
    const kept = join(cache, release);
    if (!existsSync(kept)) {
      const folder = join(scratch, release);
      mkdirSync(folder);
      download(release, folder, apt);
      // two at once both make it, and one wins
      if (!existsSync(kept)) renameSync(folder, kept);
    }
    return { folder: kept, image: join(kept, `boot/vmlinuz-${release}`), modules: join(kept, 'lib/modules', release) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** As in /lib/modules: `6.1.0-56-cloud-amd64`. */
function releaseName(apt, architecture = 'amd64') {
  const depends = command('apt-cache', [...apt, 'depends', `linux-image-cloud-${architecture}`]);
  const name = /Depends: linux-image-(\d\S*)/.exec(depends)?.[1];
  if (!name) throw new Error(`apt knows no linux-image-cloud-${architecture}: this needs Debian, after apt-get update`);
  return name;
}

function download(release, folder, apt) {
  unpack([`linux-image-${release}`], folder, apt);
  // later suites have them there, and compressed
  if (!existsSync(join(folder, 'lib/modules'))) {
    mkdirSync(join(folder, 'lib'), { recursive: true });
    renameSync(join(folder, 'usr/lib/modules'), join(folder, 'lib/modules'));
  }
  command('find', ['lib/modules', '-name', '*.ko.xz', '-exec', BUSYBOX, 'unxz', '{}', '+'], folder);
  command(BUSYBOX, ['depmod', '-b', folder, release]);
}

/** An initrd with scripts/vm/init and what that needs. */
export function writeInitrd({ folder, modules }, path) {
  const root = mkdtempSync(`${path}-`);
  for (const name of ['bin', 'proc', 'sys', 'dev', 'host', 'changes', 'root']) mkdirSync(join(root, name));
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  copyFileSync(fileURLToPath(new URL('init', import.meta.url)), join(root, 'init'));
  copyModules({ folder, modules }, EARLY_MODULES, root);
  command('sh', ['-c', `find . | ${BUSYBOX} cpio -o -H newc > "$1"`, 'sh', path], root);
  rmSync(root, { recursive: true });
}

/** Copies modules, and what they depend on, to where a kernel with this root looks for them. */
export function copyModules({ folder, modules }, names, root) {
  for (const file of ['modules.dep', ...closure(modules, names)]) {
    const target = join(root, modules.slice(folder.length), file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(modules, file), target);
  }
}

/** The files of modules and of what they depend on: modules.dep lists all of it. A kernel may have some of them built in. */
function closure(modules, names) {
  const [lines, builtIn] = ['dep', 'builtin'].map((kind) => readFileSync(join(modules, `modules.${kind}`), 'utf8').split('\n'));
  const files = names.flatMap((name) => {
    const line = lines.find((each) => each.split(':')[0].endsWith(`/${name}.ko`));
    if (builtIn.some((each) => each.endsWith(`/${name}.ko`))) return [];
    if (line === undefined) throw new Error(`the kernel in ${modules} has no module ${name}`);
    return line.split(/[:\s]+/).filter(Boolean);
  });
  return new Set(files);
}
