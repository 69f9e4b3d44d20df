// Bundles the library for tests that have a process for each file: module by module, a process takes longer to import the library than to run
// most of its tests.
//
//   build/test-library/all.js        every module that tests import, and all that these import, as one file
//   build/test-library/lib/NAME.js   the exports of lib/NAME.ts, taken from there
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { pid } from 'node:process';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
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

/** Modules that look for files beside themselves have the place where they are written. */
const ownPlaces = {
  name: 'own places',
  setup({ onLoad }) {
    onLoad({ filter: /\/lib\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      return { contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)), loader: 'ts' };
    });
  },
};

/** What the modules export: paths to names. */
async function exportsOf(modules) {
  const options = { bundle: true, splitting: true, format: 'esm', platform: 'node', packages: 'external', write: false, metafile: true };
  const { metafile } = await build({ ...options, absWorkingDir: root, entryPoints: modules, outdir: FOLDER, logLevel: 'warning' });
  const outputs = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint);
  return new Map(outputs.map(({ entryPoint, exports }) => [entryPoint, exports]));
}

/** Written only where that is something new, since another run may be reading. */
function put(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${pid}`, text);
  renameSync(`${path}.${pid}`, path);
}

function standIn(path, name, exported) {
  const all = relative(dirname(bundledModule(path)), `${FOLDER}/all.js`);
  const lines = exported.map((word) =>
    word === 'default' ? `export default ${name}.default;` : `export const ${word} = ${name}.${word};`,
  );
  return [`import { ${name} } from '${all}';`, ...lines, ''].join('\n');
}

export async function bundleLibrary() {
  const modules = importedByTests();
  const exported = await exportsOf(modules);
  const nameOf = (path) => `module${modules.indexOf(path)}`;
  const contents = modules.map((path) => `export * as ${nameOf(path)} from './${path}';`).join('\n');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'js' },
    ...{ bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', write: false, logLevel: 'warning' },
    plugins: [ownPlaces],
  });
  const [all] = outputFiles;
  if (!all) throw new Error('esbuild made no bundle of the library');
  put(`${FOLDER}/all.js`, all.text);
  for (const path of modules) put(bundledModule(path), standIn(path, nameOf(path), exported.get(path) ?? []));
  const wanted = new Set(['all.js', ...modules.map((path) => relative(FOLDER, bundledModule(path)))]);
  for (const entry of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`;
    if (entry.isFile() && entry.name.endsWith('.js') && !wanted.has(relative(FOLDER, path))) rmSync(path, { force: true });
  }
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
