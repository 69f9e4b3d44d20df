// musl and what it takes to link C++ with it: Debian has musl's headers and library for each architecture, and no C++ compiler for it. Its compiler for
// glibc makes the same code, when it sees musl's headers instead of glibc's.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { listsIn, ownVersion, unpack } from '../apt.mjs';
import { command, root } from '../shared.mjs';

/** Where musl is unpacked, by its version. Fetched once, and kept in the user's cache folder. */
function muslFolder({ debian }) {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nacelle', 'prebuild');
  const { suite, version } = ownVersion('musl');
  const kept = join(cache, `musl-${version}-${suite}-${debian}`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, '.new-'));
  try {
    const folder = join(scratch, 'musl');
    mkdirSync(folder);
    const packages = ['musl', 'musl-dev'].map((name) => `${name}=${version}`);
    unpack(packages, folder, listsIn(join(scratch, 'apt'), { architecture: debian }));
    if (!existsSync(kept)) renameSync(folder, kept);
    return kept;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The folders in which a compiler looks for headers of C++, its own, and the kernel's. */
function headerFolders(compiler, scratch) {
  const script = 'echo | "$0" -E -v -x c++ - 2>&1 >/dev/null';
  const all = command('sh', ['-c', script, compiler])
    .split('\n')
    .filter((line) => line.startsWith(' /'))
    .map((line) => line.trim());
  const kernel = join(scratch, 'kernel-headers');
  rmSync(kernel, { recursive: true, force: true });
  mkdirSync(kernel, { recursive: true });
  for (const name of ['linux', 'asm', 'asm-generic', 'mtd']) {
    const from = all.find((folder) => existsSync(join(folder, name)));
    if (!from) throw new Error(`${compiler} finds no headers of the kernel (${name})`);
    symlinkSync(join(from, name), join(kernel, name));
  }
  const cxx = all.filter((folder) => folder.includes('/c++/'));
  return { cxx, own: command(compiler, ['-print-file-name=include']), kernel };
}

/** What binding.gyp takes to compile and link the shim with musl. `scratch` is a folder that lasts as long as the build. */
export function muslFlags(target, scratch) {
  const folder = muslFolder(target);
  const include = join(folder, 'usr/include', target.musl);
  const lib = join(folder, 'usr/lib', target.musl);
  const ofCompiler = (name) => command(target.compiler, [`-print-file-name=${name}`]);
  const { cxx, own, kernel } = headerFolders(target.compiler, scratch);
  const headers = [...cxx, include, own, kernel].flatMap((each) => ['-isystem', each]);
  return {
    // its ioctl(2) takes an int for what glibc's takes a long for
    cflags: ['-nostdinc', '-Wno-overflow', '-include', `${root}addon/prebuild/musl.h`, ...headers],
    ldflags: ['-nostdlib', `${lib}/rcrt1.o`, `${lib}/crti.o`, ofCompiler('crtbeginS.o')],
    libraries: ['-l:libstdc++.a', `${lib}/libc.a`, '-lgcc', ofCompiler('crtendS.o'), `${lib}/crtn.o`],
    loader: join(folder, 'lib', target.musl, 'libc.so'),
    include,
    lib,
  };
}
