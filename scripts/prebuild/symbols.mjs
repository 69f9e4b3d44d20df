// Whether a prebuild needs nothing that the machines lack that it is for: glibc 2.28, the oldest that Node 20 runs with, and musl.
import { command } from '../shared.mjs';

/** The oldest glibc that there must be: that of Node 20's own executables. */
export const OLDEST_GLIBC = [2, 28];

/** What a table has but for local symbols, by readelf(1), `--dyn-syms --wide`: name, version or `''`, whether it is to be found elsewhere, and whether it must be. */
export function parseSymbols(text) {
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    if (!/^\d+:$/.test(fields[0]) || fields.length < 8 || fields[4] === 'LOCAL') return [];
    const [name, version = ''] = fields[7].split(/@+/);
    return [{ name, version, isUndefined: fields[6] === 'UND', isWeak: fields[4] === 'WEAK' }];
  });
}

/** The libraries that a file needs, of readelf's `--dynamic`. */
export const parseNeeded = (text) => [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);

function isOldEnough(version) {
  const numbers = /^GLIBC_(\d+)\.(\d+)/.exec(version);
  if (version === '') return true;
  if (numbers === null) return false;
  const [major, minor] = numbers.slice(1).map(Number);
  return major < OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor <= OLDEST_GLIBC[1]);
}

/** What is wrong with an addon, as sentences. `musl` has the names of musl's symbols. */
export function addonFaults({ needed, symbols }, musl) {
  const wanted = symbols.filter(({ name, isUndefined, isWeak }) => isUndefined && !isWeak && !/^(napi|uv|node)_/.test(name) && name !== '');
  const shown = symbols.filter(({ isUndefined, name }) => !isUndefined && name !== '' && !name.startsWith('napi_register_'));
  return [
    // musl's loader takes this name for its own
    ...needed.filter((name) => name !== 'libc.so.6').map((name) => `the addon needs the library ${name}`),
    ...wanted.filter(({ version }) => !isOldEnough(version)).map(({ name, version }) => `the addon needs ${name} of ${version}`),
    ...wanted.filter(({ name }) => !musl.has(name)).map(({ name }) => `the addon needs ${name}, which musl lacks`),
    ...shown.filter(({ name }) => !/^node_api_module_/.test(name)).map(({ name }) => `the addon shows ${name} to others`),
  ];
}

const readelf = (file, ...what) => command('readelf', ['--wide', ...what, file]);

/** What is wrong with the files of a prebuild, as sentences: none when all is well. */
export function faultsIn(addon, shim, { machine }, muslLibrary) {
  const musl = new Set(parseSymbols(readelf(muslLibrary, '--dyn-syms')).flatMap(({ name, isUndefined }) => (isUndefined ? [] : [name])));
  const facts = { needed: parseNeeded(readelf(addon, '--dynamic')), symbols: parseSymbols(readelf(addon, '--dyn-syms')) };
  const heads = [addon, shim].filter((file) => !readelf(file, '--file-header').includes(`Machine:                           ${machine}\n`));
  const isStatic = parseNeeded(readelf(shim, '--dynamic')).length === 0 && !readelf(shim, '--program-headers').includes('INTERP');
  return [
    ...addonFaults(facts, musl),
    ...heads.map((file) => `${file} is not for ${machine}`),
    ...(isStatic ? [] : ['the shim is not static']),
  ];
}
