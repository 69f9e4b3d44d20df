// The machines that there are prebuilds for: one addon and one shim each, for glibc and musl.
/** By Node's name of the architecture: Debian's, the compiler's package and name, musl's triplet, and what a file says of itself (readelf(1)). */
export const targets = {
  x64: {
    debian: 'amd64',
    package: 'g++-x86-64-linux-gnu',
    compiler: 'x86_64-linux-gnu-g++',
    musl: 'x86_64-linux-musl',
    machine: 'Advanced Micro Devices X86-64',
  },
  arm64: {
    debian: 'arm64',
    package: 'g++-aarch64-linux-gnu',
    compiler: 'aarch64-linux-gnu-g++',
    musl: 'aarch64-linux-musl',
    machine: 'AArch64',
  },
};

/** The package that has the prebuild of an architecture, as lib/native/load-addon.ts looks for it. */
export const packageOf = (name, arch) => `${name}-linux-${arch}`;

/** Where the prebuild of an architecture is, as node-gyp-build names it, seen from the package. */
export const folderOf = (arch) => `prebuilds/linux-${arch}`;
