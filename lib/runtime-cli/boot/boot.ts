#!/usr/bin/env node
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process, { argv, geteuid } from 'node:process';
import { constants, Script } from 'node:vm';
import { CODE_CACHE, codeKey, keepCode, keptCode } from './code-cache.js';
import { statesRoot } from './states-root.js';

/** By the bundler: the module of the command in its file. */
declare const COMMAND_MODULE: string;

/** What a file of CommonJS is handed. */
type Wrapped = (exports: Record<string, () => unknown>, require: NodeJS.Require, module: object, file: string, folder: string) => void;

// What Node is started with: it loads the file of the command, which is compiled once for all.
const file = join(__dirname, 'oci.cjs');
const root = geteuid?.() === 0 ? statesRoot(argv.slice(2)) : null;
const cache = root === null ? null : join(root, CODE_CACHE);
const key = codeKey(statSync(file));
const kept = cache === null ? undefined : keptCode(cache, key);
const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'latin1')}\n})`, {
  filename: file,
  ...(kept === undefined ? {} : { cachedData: kept }),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const load: Wrapped = script.runInThisContext();
const module_ = { exports: {} as Record<string, () => unknown> };
load(module_.exports, createRequire(file), module_, file, __dirname);
// what a command has compiled on its way is kept too
if (cache !== null && (kept === undefined || script.cachedDataRejected === true))
  process.on('exit', () => keepCode(cache, key, () => script.createCachedData()));
module_.exports[COMMAND_MODULE]?.();
