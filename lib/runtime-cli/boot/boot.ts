#!/usr/bin/env node
import { statSync } from 'node:fs';
import { join } from 'node:path';
import process, { argv, geteuid } from 'node:process';
import { codeKey, keepCode, keptCode } from '../../load/code-cache.js';
import { packSegments, unpackSegments } from '../../load/code-segments.js';
import { codeFileOf } from './code-file.js';
import { CommandFiles, fileOf } from './command-files.js';
import { earlyFlagsOf } from './early-flags.js';
import { interpretChecks, isPlanner } from './interpreted-checks.js';

/** By the bundler: the module of the command in its file. */
declare const COMMAND_MODULE: string;
/** By the bundler: the SHA-256 of each file of the command as it was bundled. So this file is another one whenever one of them is. */
declare const COMMAND_DIGESTS: Readonly<Record<string, string>>;

// What Node is started with: it loads the files of the command, which are compiled once for all.
const args = argv.slice(2);
const { root, name } = earlyFlagsOf(args);
const cache = root === null || geteuid?.() !== 0 ? null : join(root, codeFileOf(name));
const keys = Object.entries(COMMAND_DIGESTS).map(([file, digest]) => codeKey(statSync(fileOf(__dirname, file)), digest));
const key = keys.join('');
const kept = cache === null ? undefined : keptCode(cache, key);
const files = new CommandFiles(__dirname, kept === undefined ? new Map() : unpackSegments(kept));
interpretChecks(args, globalThis);
// a planner that stays has what it does later of the package that it was started from
if (isPlanner(args)) for (const file of Object.keys(COMMAND_DIGESTS)) files.load(file);
const command = files.load('oci')[COMMAND_MODULE];
// what a command has compiled on its way is kept too
if (cache !== null)
  process.on('exit', () => {
    if (files.isNew) keepCode(cache, key, () => packSegments(files.code()));
  });
// to do nothing would be success
if (command === undefined) throw new Error(`${fileOf(__dirname, 'oci')} is not of this version of the package: install the package again`);
command();
