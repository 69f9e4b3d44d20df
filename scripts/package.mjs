// Makes the package that is published: `npm run package`, nacelle-VERSION.tgz, or with the prebuilds of some architectures alone: `npm run package -- x64`. Unlike what `npm pack` makes of this folder it compiles nothing and
// runs nothing when it is installed: instead of the sources of the native part it has the prebuilds (npm run prebuilds), instead of the library
// as it was bundled one without white space, in which all keeps its name, as stack traces show it.
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { isOfSources } from './prebuild/sources.mjs';
import { folderOf, targets } from './prebuild/targets.mjs';
import { root, run } from './shared.mjs';

const folder = `${root}build-package`;
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
/** What the bundles ask for when they run: all else that the library depends on is in them (scripts/bundle.mjs). */
const DEPENDENCIES = ['fzstd', 'tar', 'undici'];

/** A line has an end, as Node shows the one that an error is thrown from. */
async function shortened(code) {
  const form = { minifyWhitespace: true, minifySyntax: true, lineLimit: 500, target: 'node20', format: 'cjs', logLevel: 'error' };
  return (await transform(code, form)).code;
}

/** package.json without what is for this folder alone. Nothing is run when the package is installed. */
function published() {
  const { scripts, devDependencies, files, dependencies, ...rest } = manifest;
  return { ...rest, dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]])) };
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

async function fill() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}/dist`, { recursive: true });
  for (const name of readdirSync(`${root}dist`)) {
    const from = `${root}dist/${name}`;
    if (!name.endsWith('.cjs')) cpSync(from, `${folder}/dist/${name}`);
    else writeFileSync(`${folder}/dist/${name}`, await shortened(readFileSync(from, 'utf8')));
  }
  for (const name of ['docs', 'LICENSE', 'README.md', 'SECURITY.md', 'CHANGELOG.md', ...arches.map(folderOf)]) {
    cpSync(`${root}${name}`, `${folder}/${name}`, { recursive: true });
  }
  for (const arch of arches) chmodSync(`${folder}/${folderOf(arch)}/nacelle-shim`, 0o755);
  writeFileSync(`${folder}/package.json`, `${JSON.stringify(published(), null, 2)}\n`);
}

const problems = arches.map(problemOf).filter((problem) => problem !== null);
if (problems.length > 0) {
  for (const problem of problems) console.error(`package: ${problem}`);
  process.exitCode = 1;
} else {
  await fill();
  const done = run('npm', ['pack', '--silent', '--pack-destination', root], { cwd: folder });
  if (done) console.log(`for ${arches.join(', ')}: ${statSync(`${root}${manifest.name}-${manifest.version}.tgz`).size} bytes`);
  process.exitCode = done ? 0 : 1;
}
