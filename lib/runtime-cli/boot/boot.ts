#!/usr/bin/env node
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process, { argv, geteuid } from 'node:process';
import { constants, Script } from 'node:vm';
import { codeKey, keepCode, keptCode } from '../../load/code-cache.js';
import { codeFileOf } from './code-file.js';
import { earlyFlagsOf } from './early-flags.js';
import { interpretChecks } from './interpreted-checks.js';

/** By the bundler: the module of the command in its file. */
declare const COMMAND_MODULE: string;
/** By the bundler: the SHA-256 of the command's file as it was bundled. So this file is another one whenever the command is. */
declare const COMMAND_DIGEST: string;

/** What a file of CommonJS is handed. */
type Wrapped = (exports: Record<string, () => unknown>, require: NodeJS.Require, module: object, file: string, folder: string) => void;

// What Node is started with: it loads the file of the command, which is compiled once for all.
const file = join(__dirname, 'oci.cjs');
const { root, name } = earlyFlagsOf(argv.slice(2));
const cache = root === null || geteuid?.() !== 0 ? null : join(root, codeFileOf(name));
const key = codeKey(statSync(file), COMMAND_DIGEST);
const kept = cache === null ? undefined : keptCode(cache, key);
// The bundler writes names, texts and patterns in ASCII, so that a byte is a character; comments alone have others, which nobody reads. V8 keeps this text
// with a byte for each character. As UTF-8 it would be decoded first, and those comments would make that two bytes.
const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'latin1')}\n})`, {
  filename: file,
  ...(kept === undefined ? {} : { cachedData: kept }),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
interpretChecks(argv.slice(2), globalThis);
const load: Wrapped = script.runInThisContext();
const module_ = { exports: {} as Record<string, () => unknown> };
load(module_.exports, createRequire(file), module_, file, __dirname);
// what a command has compiled on its way is kept too
if (cache !== null && (kept === undefined || script.cachedDataRejected === true))
  process.on('exit', () => keepCode(cache, key, () => script.createCachedData()));
const command = module_.exports[COMMAND_MODULE];
// to do nothing would be success
if (command === undefined) throw new Error(`${file} is not of this version of the package: install the package again`);
command();
