// Bundles the library for tests that have a process for each file, and for the programs that tests start: module by module, a process takes
// longer to import the library than to do most of its work. As in the package, a module is evaluated when it is first used (lazy-module.mjs).
//
//   build/test-library/all.cjs       every module that tests import, and all that these import, as one file: functions by the modules' paths
//   build/test-library/lib/NAME.js   the exports of lib/NAME.ts, taken from there
//   build/test-library/made-of       what all of it was made of
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pid } from 'node:process';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { lazyModule, OWN_URL } from './lazy-module.mjs';
import { filesBelow, root } from './shared.mjs';

const FOLDER = `${root}build/test-library`;

/** The module of the library that a file's import means, as a path from the project's folder: lib/NAME.ts; `null` for all else. */
export function libraryModule(specifier, importer) {
  if (!specifier.startsWith('.')) return null;
  const path = relative(root, resolve(dirname(importer), specifier)).replace(/\.js$/, '.ts');
  return path.startsWith('lib/') ? path : null;
}

/** The file that stands for a module. */
export function bundledModule(path) {
  return `${FOLDER}/${path.replace(/\.ts$/, '.js')}`;
}

/** Every module of the library that a test or a fixture imports. */
function importedByTests() {
  const found = new Set();
  for (const file of filesBelow('test', /\.ts$/)) {
    for (const [, specifier] of readFileSync(`${root}${file}`, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const path = libraryModule(specifier, `${root}${file}`);
      if (path) found.add(path);
    }
  }
  return [...found].sort();
}

/** What is read of these is bundled, in the form that TypeScript's default imports have. */
const BUNDLED = /^(?:zod|ipaddr\.js|fastest-levenshtein)$/;

/** Modules of the library, lazy ones, by their paths. Those that look for files beside themselves have the place where they are written. */
const lazily = (modules) => ({
  name: 'lazily',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, importer, namespace }) => {
      if (namespace !== 'library' && importer !== '<stdin>') return undefined;
      const from = namespace === 'library' ? dirname(importer) : '.';
      return { path: join(from, path).replace(/\.js$/, '.ts'), namespace: 'library' };
    });
    onResolve({ filter: BUNDLED }, ({ path, namespace }) => (namespace === 'library' ? { path, namespace: 'dependency' } : undefined));
    onLoad({ filter: /.*/, namespace: 'dependency' }, ({ path }) => ({
      contents: `export { ${usedOf(path, modules)} } from ${JSON.stringify(path)};`,
      resolveDir: root,
    }));
    onLoad({ filter: /.*/, namespace: 'library' }, ({ path }) => {
      const contents = modules.get(path).code.replaceAll(OWN_URL, JSON.stringify(pathToFileURL(`${root}${path}`).href));
      return { contents, loader: 'js', resolveDir: root };
    });
  },
});

/** The names that the library reads of a dependency. */
function usedOf(dependency, modules) {
  return [...new Set([...modules.values()].flatMap(({ imports }) => [...(imports.get(dependency)?.properties ?? [])]))].sort();
}

/** All modules that these lead to, and what they themselves export: paths to names. */
async function explored(modules) {
  const options = { bundle: true, splitting: true, format: 'esm', platform: 'node', packages: 'external', write: false, metafile: true };
  const { metafile } = await build({ ...options, absWorkingDir: root, entryPoints: modules, outdir: FOLDER, logLevel: 'warning' });
  const outputs = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint);
  return {
    all: Object.keys(metafile.inputs).filter((path) => path.startsWith('lib/')),
    exported: new Map(outputs.map(({ entryPoint, exports }) => [entryPoint, exports])),
  };
}

/** Written only where that is something new, since another run may be reading. */
function put(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${pid}`, text);
  renameSync(`${path}.${pid}`, path);
}

function standIn(path, exported) {
  const all = relative(dirname(bundledModule(path)), `${FOLDER}/all.cjs`);
  const lines = exported.map((word) => (word === 'default' ? 'export default own.default;' : `export const ${word} = own.${word};`));
  const own = `const own = createRequire(import.meta.url)('${all}')[${JSON.stringify(path)}]();`;
  return ["import { createRequire } from 'node:module';", own, ...lines, ''].join('\n');
}

/** A digest of all that the bundle is made of, and of the folder: its path is in the bundle, so that a copy of the folder needs one of its own. */
function digestOfSources(modules) {
  const hash = createHash('sha256').update(`${root}\0`).update(modules.join());
  const scripts = ['scripts/test-library.mjs', 'scripts/lazy-module.mjs', 'package-lock.json'];
  for (const file of [...scripts, ...filesBelow('lib', /\.ts$/)]) hash.update(`\0${file}\0`).update(readFileSync(`${root}${file}`));
  return hash.digest('hex');
}

/** Bundles the library, unless that was done of the same sources. */
export async function bundleLibrary() {
  const modules = importedByTests();
  const digest = digestOfSources(modules);
  if (existsSync(`${FOLDER}/made-of`) && readFileSync(`${FOLDER}/made-of`, 'utf8') === digest) return;
  const { all: paths, exported } = await explored(modules);
  const contents = modules.map((path) => `exports[${JSON.stringify(path)}] = () => require('./${path}');`).join('\n');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'js' },
    ...{ bundle: true, format: 'cjs', platform: 'node', target: 'node20', write: false, logLevel: 'warning' },
    external: ['fzstd', 'tar', 'undici'],
    plugins: [lazily(new Map(paths.map((path) => [path, lazyModule(path)])))],
  });
  const [all] = outputFiles;
  if (!all) throw new Error('esbuild made no bundle of the library');
  put(`${FOLDER}/all.cjs`, all.text);
  for (const path of modules) put(bundledModule(path), standIn(path, exported.get(path) ?? []));
  const wanted = new Set(modules.map((path) => relative(FOLDER, bundledModule(path))));
  for (const entry of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`;
    if (entry.isFile() && entry.name.endsWith('.js') && !wanted.has(relative(FOLDER, path))) rmSync(path, { force: true });
  }
  put(`${FOLDER}/made-of`, digest);
}

/** For vitest: tests and fixtures import the bundle, as it is, in the place of modules of the library. */
export function bundledLibrary() {
  return {
    name: 'bundled library',
    enforce: 'pre',
    config: () => ({ test: { server: { deps: { external: [/\/build\/test-library\//] } } } }),
    resolveId(specifier, importer) {
      const path = importer ? libraryModule(specifier, importer) : null;
      if (!path) return undefined;
      const bundled = bundledModule(path);
      if (!existsSync(bundled)) throw new Error(`${importer} imports ${specifier}, which is not in the bundle of scripts/test-library.mjs`);
      return bundled;
    },
  };
}
