// Brings every source into the project's form: biome for TypeScript and JSON, clang-format for C++.
import { filesBelow, run } from './shared.mjs';

const done = [run('npx', ['--no-install', 'biome', 'check', '--write']), run('clang-format', ['-i', ...filesBelow('addon', /\.(cc|h)$/)])];
process.exitCode = done.every(Boolean) ? 0 : 1;
