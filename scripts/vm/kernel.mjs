// Debian's cloud kernel with an initrd of our own. Each version is fetched once and kept in the user's cache folder.
// NACELLE_VM_SUITE, as `trixie`, takes that of another suite, from the mirror that this machine has its own suite from.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUSYBOX = '/bin/busybox';
const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** What it takes to reach the host's files and the disk. All else is loaded from there, when the kernel asks for it. */
const EARLY_MODULES = ['virtio_pci', 'virtio_blk', 'virtiofs', 'overlay'];

/** The kernel that Debian's package lists name now: its release and the folder it was unpacked into. Throws where there is none. */
export function fetchKernel(suite = process.env.NACELLE_VM_SUITE) {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nacelle', 'vm');
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, '.new-'));
  try {
    const apt = suite ? listsOf(suite, join(scratch, 'apt')) : [];
    const release = releaseName(apt);
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

/** Has the package lists of a suite in a folder, and in no place of the machine's own: the options by which apt uses them. */
function listsOf(suite, folder) {
  if (!/^[a-z-]+$/.test(suite)) throw new Error(`NACELLE_VM_SUITE: ${suite} is no name of a suite, as trixie is`);
  const targets = ['indextargets', '--format', '$(REPO_URI)', 'Identifier: Packages', 'Origin: Debian', 'Component: main'];
  const [mirror] = command('apt-get', targets).split('\n');
  if (!mirror) throw new Error('apt knows no mirror of Debian: this needs Debian, after apt-get update');
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
  writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${DEBIAN_KEYS}] ${mirror} ${suite} main\n`);
  const places = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    // the user of apt's own does not come into this cache folder
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(places).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  command('apt-get', [...options, '-q', '--error-on=any', 'update']);
  return options;
}

/** As in /lib/modules: `6.1.0-56-cloud-amd64`. */
function releaseName(apt) {
  const depends = command('apt-cache', [...apt, 'depends', 'linux-image-cloud-amd64']);
  const name = /Depends: linux-image-(\d\S*)/.exec(depends)?.[1];
  if (!name) throw new Error('apt knows no linux-image-cloud-amd64: this needs Debian, after apt-get update');
  return name;
}

function download(release, folder, apt) {
  command('apt-get', [...apt, 'download', '-q', `linux-image-${release}`], folder);
  const [file] = command('find', ['.', '-name', '*.deb'], folder).split('\n');
  command('dpkg-deb', ['-x', file, folder], folder);
  rmSync(join(folder, file));
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
  for (const file of ['modules.dep', ...closure(modules)]) {
    const target = join(root, modules.slice(folder.length), file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(modules, file), target);
  }
  command('sh', ['-c', `find . | ${BUSYBOX} cpio -o -H newc > "$1"`, 'sh', path], root);
  rmSync(root, { recursive: true });
}

/** The files of the early modules and of what they depend on: modules.dep lists all of it. A kernel may have some of them built in. */
function closure(modules) {
  const [lines, builtIn] = ['dep', 'builtin'].map((kind) => readFileSync(join(modules, `modules.${kind}`), 'utf8').split('\n'));
  const files = EARLY_MODULES.flatMap((name) => {
    const line = lines.find((each) => each.split(':')[0].endsWith(`/${name}.ko`));
    if (builtIn.some((each) => each.endsWith(`/${name}.ko`))) return [];
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
