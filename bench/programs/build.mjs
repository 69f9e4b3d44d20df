// How long a build takes that copies a context, in ms, and the most memory that Node needs for that, in MiB: node build.mjs CONTEXT STORE. Prints JSON.
// Without a loader, as users run it.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { build } from '../../dist/index.js';

const [context, store] = process.argv.slice(2);
process.env.NACELLE_ROOT = store;
const from = performance.now();
await build({ context, dockerfile: { content: 'FROM scratch\nCOPY . /' } });
const ms = performance.now() - from;
const [, most] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
process.stdout.write(`${JSON.stringify({ ms, node: Number(most) / 1024 })}\n`);
