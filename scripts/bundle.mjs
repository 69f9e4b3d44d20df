// Bundles the library into a few files of CommonJS, of which an import of the package reads the first: the public classes. Their work is in the others,
// which are read when they are first used, whole: `core` and `run` have what most programs use (first-run.mjs), `core` and `more` what the command nacelle-oci
// has in common with the library. Within a file, too, each module is evaluated at its first use (lazy-module.mjs). They are to be read as they are: maps of
// their sources would be twice as large.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { build } from 'esbuild';
import { lazyModule } from './lazy-module.mjs';
import { root } from './shared.mjs';

const entry = 'lib/index.ts';
const command = 'lib/runtime-cli/nacelle-oci.ts';
const boot = 'lib/runtime-cli/boot/boot.ts';
const loader = 'lib/load/load-part.ts';
const out = `${root}dist`;
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  absWorkingDir: root,
  outdir: out,
  outExtension: { '.js': '.cjs' },
  // what boot.ts and load-part.ts read byte by byte
  charset: 'ascii',
  logLevel: 'warning',
};

const isOwn = (specifier) => specifier.startsWith('.');
const resolved = (file, specifier) => normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts');

/** All modules that the entry leads to, by their paths. */
function modulesFrom(file, modules = new Map()) {
  if (modules.has(file)) return modules;
  const module = lazyModule(file);
  modules.set(file, module);
  for (const specifier of module.imports.keys()) if (isOwn(specifier)) modulesFrom(resolved(file, specifier), modules);
  return modules;
}

/** The modules that are evaluated when the package is imported: the entry's, for its exports are read then, and what these need for that. */
function modulesAtImport(modules) {
  const found = new Set();
  const add = (file) => {
    if (found.has(file)) return;
    found.add(file);
    for (const [specifier, { now }] of modules.get(file).imports)
      if (isOwn(specifier) && (now || file === entry)) add(resolved(file, specifier));
  };
  add(entry);
  return found;
}

/** What is read of a dependency, by the names of its exports. */
function usedOf(dependency, modules) {
  return [...new Set([...modules.values()].flatMap(({ imports }) => [...(imports.get(dependency)?.properties ?? [])]))].sort();
}

const modules = modulesFrom(command, modulesFrom(entry));
const atImport = modulesAtImport(modules);
const atFirstRun = new Set(readFileSync(`${root}scripts/first-run.txt`, 'utf8').split('\n'));
const PARTS = ['api', 'core', 'run', 'more', 'build', 'networks', 'images', 'rest'];
/** What the command nacelle-oci alone needs, and its own few modules of `api`, of which it would else read all. It is started anew for each command. */
const COMMAND_PART = 'oci';
/** All files that the command reads. */
const OF_COMMAND = [COMMAND_PART, 'core', 'more', 'zod'];
/** What is thrown where another file can't be loaded. */
const UNLOADED = 'lib/native/unloaded.ts';
const libraryModules = modulesFrom(entry);
const commandModules = modulesFrom(command);
/** In which file of the package a module is, for a module of the file `from`. */
function partOf(file, from) {
  if (!libraryModules.has(file)) return COMMAND_PART;
  if (file === UNLOADED || atImport.has(file)) return from === COMMAND_PART ? COMMAND_PART : 'api';
  if (commandModules.has(file)) return atFirstRun.has(file) ? 'core' : 'more';
  if (atFirstRun.has(file)) return 'run';
  if (file.startsWith('lib/build/')) return 'build';
  if (file.startsWith('lib/network/')) return 'networks';
  if (file.startsWith('lib/image/')) return 'images';
  return 'rest';
}

/** Whether other files ask a file for a module: they ask the command's for it, and for what they ask `api` for in a program. */
const isListed = (file, part) =>
  part === COMMAND_PART
    ? file === command || file === UNLOADED || (commandModules.has(file) && partOf(file) === 'api')
    : partOf(file) === part;
/** A file of the package: its modules by their paths, as functions, since none is evaluated before it is used. */
const listing = (part) =>
  [...modules.keys()]
    .filter((file) => isListed(file, part))
    .map((file) => `exports[${JSON.stringify(file)}] = () => require('./${file}');`);

/** A module of another file. Node would take `module.exports = require(…)` for an export of all that is there, and read those files to find the names. */
const takenFrom = (part, file) => `const part = require('loaded:${part}');\nmodule.exports = part[${JSON.stringify(file)}]();`;
/** Another file, by the loader, which knows what V8 made of it before. A bundler of somebody else's sees what is loaded. */
const loading = (part) => {
  const load = `module.exports = require('./load.cjs').part('${part}', () => require('./${part}.cjs'));`;
  if (part === 'api') return load;
  const error = `require('loaded:api')[${JSON.stringify(UNLOADED)}]().unloaded(error, 'nacelle/dist/${part}.cjs')`;
  return `try {\n  ${load}\n} catch (error) {\n  throw ${error};\n}`;
};

const parts = {
  name: 'parts',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^part:/ }, ({ path }) => ({ path: path.slice('part:'.length), namespace: 'part' }));
    onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => ({
      contents: path === 'index' ? takenFrom('api', entry) : listing(path).join('\n'),
      resolveDir: root,
      pluginData: { part: path, file: '.' },
    }));
    onResolve({ filter: /^\.\/[a-z]+\.cjs$/ }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: /^\.\.?\// }, ({ path, pluginData }) => {
      if (pluginData === undefined) return undefined;
      const file = resolved(pluginData.file, path);
      const part = partOf(file, pluginData.part);
      return part === pluginData.part
        ? { path: file, namespace: 'lib', pluginData }
        : { path: file, namespace: 'elsewhere', pluginData: { part } };
    });
    onLoad({ filter: /.*/, namespace: 'lib' }, ({ path, pluginData }) => {
      const { code } = modules.get(path);
      return { contents: code, loader: 'js', resolveDir: root, pluginData: { part: pluginData.part, file: path } };
    });
    onLoad({ filter: /.*/, namespace: 'elsewhere' }, ({ path, pluginData }) => ({
      contents: takenFrom(pluginData.part, path),
    }));
    onResolve({ filter: /^loaded:/ }, ({ path }) => ({ path: path.slice('loaded:'.length), namespace: 'loaded' }));
    onLoad({ filter: /.*/, namespace: 'loaded' }, ({ path }) => ({ contents: loading(path) }));
    // only what is used of a dependency is bundled, in the form that TypeScript's default imports have
    onResolve({ filter: /^zod$/ }, ({ pluginData }) => (pluginData?.part ? { path: 'zod', namespace: 'loaded' } : undefined));
    onResolve({ filter: /^(zod|ipaddr\.js|fastest-levenshtein)$/ }, ({ path, namespace }) =>
      namespace === 'lib' ? { path, namespace: 'dependency' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'dependency' }, ({ path }) => ({
      contents: `export { ${usedOf(path, modules).join(', ')} } from ${JSON.stringify(path)};`,
      resolveDir: root,
    }));
  },
};

/** A module that could not be evaluated, for want of a descriptor for instance, is evaluated when it is asked for again, as newer versions of esbuild have it. */
const ONCE = /(var __commonJS = \(cb, mod\) => function __require\(\) \{\n) {2}(return mod \|\| .*, mod\.exports;)\n/g;
function evaluateAgain(part) {
  const file = `${out}/${part}.cjs`;
  const text = readFileSync(file, 'utf8');
  const [once, ...others] = text.match(ONCE) ?? [];
  if (once === undefined || others.length > 0) throw new Error(`${file}: no line that evaluates modules, or several`);
  writeFileSync(file, text.replace(ONCE, '$1  try { $2 } catch (error) { throw mod = 0, error; }\n'));
}

mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) {
  if (/\.c?js(\.map)?$/.test(name)) rmSync(`${out}/${name}`);
}
const files = Object.fromEntries(['index', ...PARTS].map((part) => [part, `part:${part}`]));
const external = ['tar', 'undici', 'fzstd'];
await build({ ...common, entryPoints: files, plugins: [parts], external });
// in a build of its own: a module is in one file of each, and those of `api` are in the command's too
await build({ ...common, entryPoints: { [COMMAND_PART]: `part:${COMMAND_PART}` }, plugins: [parts], external });
await build({
  ...common,
  stdin: { contents: `export { ${usedOf('zod', modules).join(', ')} } from 'zod';`, resolveDir: root, sourcefile: 'zod.js' },
  outfile: `${out}/zod.cjs`,
  outdir: undefined,
});
for (const part of ['index', ...PARTS, COMMAND_PART]) evaluateAgain(part);
const digestOf = (part) =>
  createHash('sha256')
    .update(readFileSync(`${out}/${part}.cjs`))
    .digest('hex');
const digestsOf = (names) => JSON.stringify(Object.fromEntries(names.map((part) => [part, digestOf(part)])));
// what was compiled of another version of a file is of no use
await build({
  ...common,
  entryPoints: [loader],
  outfile: `${out}/load.cjs`,
  outdir: undefined,
  define: { PART_DIGESTS: digestsOf([...PARTS, 'zod']) },
});
// What is started loads the command's files with the code that V8 has made of them before. It is another file whenever the command is: package managers that
// share equal files among versions would leave it as it was, and a planner that stays is known by it.
await build({
  ...common,
  entryPoints: [boot],
  outfile: `${out}/nacelle-oci.cjs`,
  outdir: undefined,
  define: { COMMAND_MODULE: JSON.stringify(command), COMMAND_DIGESTS: digestsOf(OF_COMMAND) },
});
chmodSync(`${out}/nacelle-oci.cjs`, 0o755);
// An import has what a require has. Node would read the names of a CommonJS file's exports with a parser that it has to load for that.
const names = Object.keys(createRequire(import.meta.url)(`${out}/index.cjs`)).sort();
// the types of a CommonJS module are those of what imports it, and are as large as a part
writeFileSync(`${out}/index.d.ts`, "export * from './index.cjs';\n");
writeFileSync(
  `${out}/index.js`,
  `import { createRequire } from 'node:module';
let nacelle;
try {
  nacelle = createRequire(import.meta.url)('./index.cjs');
} catch (cause) {
  if (cause?.code !== 'MODULE_NOT_FOUND' && cause?.code !== 'ERR_INVALID_ARG_VALUE') throw cause;
  const feature = 'nacelle in a bundle';
  const reason = 'its own files are not found from there';
  const fix = 'Leave it out and keep it in node_modules: esbuild --external:nacelle, or what your bundler calls external.';
  throw Object.assign(new Error(feature + ' is not supported here: ' + reason + '. ' + fix, { cause }), { name: 'UnsupportedError', code: 'ERR_UNSUPPORTED', feature, reason, fix });
}
export const { ${names.join(', ')} } = nacelle;
`,
);
