// Makes the packages that are published: `npm run package`, or of some architectures alone: `npm run package -- x64`. Unlike what `npm pack` makes
// of this folder they compile nothing and run nothing when they are installed.
//
//   nacelle-VERSION.tgz               the library, shortened: without white space, but all keeps its name where stack traces show it
//   nacelle-linux-ARCH-VERSION.tgz    its native part for one architecture: the prebuild (npm run prebuilds). The library asks for those of all as
//                                     optional dependencies, of which package managers install the one for the machine
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { isOfSources } from './prebuild/sources.mjs';
import { folderOf, packageOf, targets } from './prebuild/targets.mjs';
import { root, run } from './shared.mjs';

const folder = `${root}build-package`;
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
/** What the bundles ask for when they run: all else that the library depends on is in them (scripts/bundle.mjs). */
const DEPENDENCIES = ['fzstd', 'tar', 'undici'];
/** What everybody downloads who installs a package. */
const MOST_BYTES = 1_000_000;

/** Documents about the sources, which stay with these. */
const OF_SOURCES = ['architecture.md', 'attacks.md', 'benchmarks.md', 'network-cases.md', 'oci-tried.md', 'timeline.svg'].map(
  (name) => `${root}docs/${name}`,
);
/** Whose stack traces nobody looks at: the command, a build and a pull tell their failures in words. */
const NAMELESS = ['build.cjs', 'images.cjs', 'oci.cjs', 'zod.cjs'];

/** A line has an end, as Node shows the one that an error is thrown from. */
async function shortened(name, code) {
  const form = {
    minifyIdentifiers: NAMELESS.includes(name),
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 500,
    target: 'node20',
    format: 'cjs',
    charset: 'ascii',
    logLevel: 'error',
  };
  return (await transform(code, form)).code;
}

/** package.json without what is for this folder alone. Nothing is run when the package is installed. */
function published() {
  const { scripts, devDependencies, files, dependencies, ...rest } = manifest;
  return {
    ...rest,
    dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]])),
    optionalDependencies: Object.fromEntries(Object.keys(targets).map((arch) => [packageOf(manifest.name, arch), manifest.version])),
  };
}

/** package.json of a native part. Yarn may keep packages packed, where no program can be started. */
function publishedNative(arch) {
  const { version, license, engines, repository, author } = manifest;
  const description = `The native part of ${manifest.name} for Linux on ${arch}`;
  const rest = { version, description, license, engines, repository, author, os: ['linux'], cpu: [arch], preferUnplugged: true };
  return { name: packageOf(manifest.name, arch), ...rest };
}

const arches = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(targets);

/** Why the prebuild of an architecture can't be published; `null` when it can. */
function problemOf(arch) {
  if (!Object.hasOwn(targets, arch)) return `no architecture is called ${arch}: ${Object.keys(targets).join(', ')}`;
  const prebuild = `${root}${folderOf(arch)}`;
  if (!['nacelle.node', 'nacelle-shim'].every((name) => existsSync(`${prebuild}/${name}`)))
    return `there is no prebuild for ${arch}: npm run prebuilds -- ${arch}, or name the architectures that the package is for`;
  return isOfSources(prebuild, root) ? null : `the prebuild for ${arch} was made of other sources than these: npm run prebuilds -- ${arch}`;
}

async function fillLibrary(at) {
  mkdirSync(`${at}/dist`, { recursive: true });
  for (const name of readdirSync(`${root}dist`)) {
    const from = `${root}dist/${name}`;
    if (!name.endsWith('.cjs')) cpSync(from, `${at}/dist/${name}`);
    else writeFileSync(`${at}/dist/${name}`, await shortened(name, readFileSync(from, 'utf8')));
  }
  // the history of all versions stays with the sources
  for (const name of ['docs', 'LICENSE', 'README.md', 'SECURITY.md'])
    cpSync(`${root}${name}`, `${at}/${name}`, { recursive: true, filter: (from) => !OF_SOURCES.includes(from) });
  writeFileSync(`${at}/package.json`, `${JSON.stringify(published(), null, 2)}\n`);
}

function fillNative(at, arch) {
  mkdirSync(at, { recursive: true });
  for (const name of ['nacelle.node', 'nacelle-shim']) cpSync(`${root}${folderOf(arch)}/${name}`, `${at}/${name}`);
  chmodSync(`${at}/nacelle-shim`, 0o755);
  cpSync(`${root}LICENSE`, `${at}/LICENSE`);
  writeFileSync(`${at}/package.json`, `${JSON.stringify(publishedNative(arch), null, 2)}\n`);
}

/** Packs a folder, and tells its size. @returns whether it is no larger than it may be */
function pack(at, name) {
  if (!run('npm', ['pack', '--silent', '--pack-destination', root], { cwd: at })) return false;
  const { size } = statSync(`${root}${name}-${manifest.version}.tgz`);
  console.log(`${name}: ${size} bytes`);
  if (size <= MOST_BYTES) return true;
  console.error(`package: ${name} is larger than ${MOST_BYTES} bytes`);
  return false;
}

const problems = arches.map(problemOf).filter((problem) => problem !== null);
if (problems.length > 0) {
  for (const problem of problems) console.error(`package: ${problem}`);
  process.exitCode = 1;
} else {
  rmSync(folder, { recursive: true, force: true });
  const library = `${folder}/${manifest.name}`;
  await fillLibrary(library);
  const results = [pack(library, manifest.name)];
  for (const arch of arches) {
    const name = packageOf(manifest.name, arch);
    fillNative(`${folder}/${name}`, arch);
    results.push(pack(`${folder}/${name}`, name));
  }
  process.exitCode = results.every(Boolean) ? 0 : 1;
}
