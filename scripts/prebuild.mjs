// Builds what an installed package has instead of a compiler: `npm run prebuilds`, or of some architectures: `npm run prebuilds -- x64`.
// Each addon is one file for glibc since 2.28 and for musl, each shim is static. The compilers are Debian's: g++-aarch64-linux-gnu for arm64.
import { copyFileSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { nodeHeaders } from './node-headers.mjs';
import { muslFlags } from './prebuild/musl.mjs';
import { loadsOnMusl } from './prebuild/musl-load.mjs';
import { noteSources, sourcesDigest } from './prebuild/sources.mjs';
import { faultsIn } from './prebuild/symbols.mjs';
import { folderOf, targets } from './prebuild/targets.mjs';
import { linkSources, output, root, run } from './shared.mjs';

function compile(arch, folder, musl) {
  const { compiler } = targets[arch];
  const list = (name) => `--nacelle_musl_${name}=${musl[name].join(' ')}`;
  const variables = ['--nacelle_prebuild=1', ...['cflags', 'ldflags', 'libraries'].map(list)];
  const args = [
    '--no-install',
    'node-gyp',
    'configure',
    'build',
    '-C',
    folder,
    '-j',
    'max',
    `--arch=${arch}`,
    ...variables,
    '--loglevel=warn',
  ];
  const tools = { CXX: compiler, CC: compiler.replace(/g\+\+$/, 'gcc'), LINK: compiler, AR: compiler.replace(/g\+\+$/, 'gcc-ar') };
  return run('npx', args, { env: { ...nodeHeaders, ...process.env, ...tools } });
}

/** Copies a file so that whoever reads it sees the old or the new one. */
function place(from, to) {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}

function prebuild(arch) {
  const target = targets[arch];
  if (output(target.compiler, ['--version']) === null) {
    console.error(`FAIL prebuild ${arch}: ${target.compiler} is not installed: on Debian, apt-get install ${target.package}`);
    return false;
  }
  const folder = linkSources(`${root}build-prebuild/${arch}`);
  const musl = muslFlags(target, folder);
  const digest = sourcesDigest(root);
  if (!compile(arch, folder, musl)) return false;
  const built = `${folder}/build/Release`;
  const faults = faultsIn(`${built}/nacelle.node`, `${built}/nacelle-shim`, target, musl.loader);
  for (const fault of faults) console.error(`FAIL prebuild ${arch}: ${fault}`);
  if (faults.length > 0 || !loadsOnMusl(arch, folder, musl)) return false;
  const out = `${root}${folderOf(arch)}`;
  mkdirSync(out, { recursive: true });
  noteSources(out, null);
  for (const name of ['nacelle.node', 'nacelle-shim']) {
    place(`${built}/${name}`, `${out}/${name}`);
    const packed = gzipSync(readFileSync(`${out}/${name}`), { level: 9 }).length;
    console.log(`${folderOf(arch)}/${name}: ${statSync(`${out}/${name}`).size} bytes, ${packed} compressed`);
  }
  noteSources(out, digest);
  return true;
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(targets);
const unknown = chosen.filter((arch) => !Object.hasOwn(targets, arch));
if (unknown.length > 0) {
  console.error(`prebuild: no architecture is called ${unknown.join(', ')}: ${Object.keys(targets).join(', ')}`);
  process.exitCode = 1;
} else {
  process.exitCode = chosen.map(prebuild).every(Boolean) ? 0 : 1;
}
