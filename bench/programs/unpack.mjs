// The most memory that unpacking an image takes: node unpack.mjs LAYOUT:TAG STORE. Prints JSON, in MiB. Without a loader, as users run it.
import { readdirSync, readFileSync } from 'node:fs';
import { Image } from '../../dist/index.js';

const [layout, store] = process.argv.slice(2);
process.env.NACELLE_ROOT = store;

/** A process may end while it is looked at. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const field = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
const pids = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const childrenOf = (parent) => pids().filter((pid) => field(pid, 'PPid') === Number(parent));

let child = 0;
let unpacking = null;
function look() {
  unpacking ??= childrenOf(process.pid).flatMap(childrenOf)[0] ?? null;
  if (unpacking !== null) child = Math.max(child, field(unpacking, 'VmHWM'));
}

const image = await Image.open(`oci:${layout}`);
const timer = setInterval(look, 5);
const { release } = await image.use({ onProgress: look });
clearInterval(timer);
release();
process.stdout.write(`${JSON.stringify({ node: field('self', 'VmHWM') / 1024, child: child / 1024 })}\n`);
