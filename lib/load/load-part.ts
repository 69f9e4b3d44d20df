import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { basename, dirname, join } from 'node:path';
import process, { env, geteuid, versions } from 'node:process';
import { Script } from 'node:vm';
import { now } from '../native/clock.js';
import { codeKey, keepCode, keptCode } from './code-cache.js';
import { forgetOldest } from './forget-oldest.js';
import { scriptOf } from './script-of.js';

/** By the bundler: the SHA-256 of each file of the package that is loaded by this one, as it was bundled. */
declare const PART_DIGESTS: Readonly<Record<string, string>>;

/** What a file of the package has: its modules by their paths, or what a dependency exports. */
type Part = Record<string, unknown>;

/** What a file of CommonJS is handed. */
type Wrapped = (exports: unknown, require: NodeJS.Require, module: object, file: string, folder: string) => void;

/** The name of this file as the bundler writes it. */
const OWN_NAME = 'load.cjs';
/** A folder of the package's own: it goes with the package. */
const FOLDER = '.code';
/** Bytes at the beginning of V8's code: what it is, V8's version, the source's length, a hash of the flags. */
const HEADER_SIZE = 16;
/** Code that V8 refuses was made by a process that changed V8's flags while it ran. There may be more of its kind: it is replaced after this time, in ms. */
const KEPT_FOR_OTHERS = 3_600_000;

const flags = flagsForKeeping();
const folder = flags === null ? null : join(dirname(__dirname), FOLDER);
const loaded = new Map<string, Part>();

/**
 * A file of the package. Most of the time of a first run is V8's, which compiles these files. So what it makes of them is kept in a folder of the
 * package for the next process, where the package is this user's own: nobody may write there who may not change the files themselves.
 *
 * @param name without `.cjs`
 * @param load as Node loads it: where nothing can be kept, in a bundle of somebody else's, and in a context of a test runner
 */
export function part(name: string, load: () => Part): Part {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const found = (folder === null ? null : loadKept(name, folder)) ?? load();
  loaded.set(name, found);
  return found;
}

/**
 * What stands for V8's flags, by which it takes or refuses code: what code of any script begins with, since to ask `node:v8` takes longer than it has to load
 * streams. `null`: nothing can be kept.
 */
function flagsForKeeping(): string | null {
  // whoever counts what runs wants V8 to compile it
  if (env.NACELLE_CODE_CACHE === '0' || env.NODE_V8_COVERAGE) return null;
  if (versions.bun !== undefined || versions.deno !== undefined) return null;
  // in a bundle of somebody else's this is another file, or none
  if (typeof __filename === 'undefined' || basename(__filename) !== OWN_NAME) return null;
  const script = new Script('Object');
  // test runners have contexts of their own, where this would be another realm's code
  return script.runInThisContext() === Object ? script.createCachedData().toString('hex', 0, HEADER_SIZE) : null;
}

/** `null`: it is to be loaded as Node does. */
function loadKept(name: string, at: string): Part | null {
  const file = join(__dirname, `${name}.cjs`);
  const digest = PART_DIGESTS[name];
  const require = createRequire(file);
  if (digest === undefined || require.cache[file] !== undefined) return null;
  const compiled = compile(name, { file, digest, at });
  if (compiled === null) return null;
  // for whoever asks Node what is loaded
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  try {
    compiled(module.exports, require, module, file, __dirname);
  } catch (error) {
    delete require.cache[file];
    throw error;
  }
  module.loaded = true;
  return module.exports;
}

function compile(name: string, { file, digest, at }: { file: string; digest: string; at: string }): Wrapped | null {
  try {
    const beginning = `${name}-${versions.node}-${process.arch}-`;
    const path = join(at, `${beginning}${flags}`);
    const key = codeKey(statSync(file), digest);
    const kept = keptCode(path, key);
    if (kept === undefined && !makeFolder(at)) return null;
    const script = scriptOf(file, kept);
    // what the process has compiled until its end is kept too
    if ((kept === undefined || (script.cachedDataRejected === true && isOld(path))) && isMainThread())
      process.on('exit', () => {
        keepCode(path, key, () => script.createCachedData());
        forgetOldest(at, beginning);
      });
    return script.runInThisContext();
  } catch {
    // it is only for speed: Node tells what is wrong with the file, if anything is
    return null;
  }
}

/** The module of threads loads that of streams, which takes longer than all else that an import of the package does: it is asked when it has to be. */
const isMainThread = (): boolean => process.getBuiltinModule('node:worker_threads').isMainThread;

/** Whether the folder is there, for code to be kept. */
function makeFolder(at: string): boolean {
  if (lstatSync(dirname(at)).uid !== geteuid?.()) return false;
  mkdirSync(at, { mode: 0o700, recursive: true });
  return true;
}

function isOld(path: string): boolean {
  return now() - statSync(path).mtimeMs > KEPT_FOR_OTHERS;
}
