// Runs hello on other versions of Node with the addon as it is built: Node-API promises that it loads unchanged.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { output, run } from './shared.mjs';

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24', '26'];
const folder = mkdtempSync(join(tmpdir(), 'nacelle-node-'));

/** The packages behind the npm package `node` that carry the executable itself. */
function install() {
  const dependencies = Object.fromEntries(versions.map((version) => [`node-${version}`, `npm:node-linux-${process.arch}@${version}`]));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  return run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], { cwd: folder });
}

function hello(version) {
  const node = join(folder, 'node_modules', `node-${version}`, 'bin', 'node');
  const actual = output(node, ['--version']);
  if (!actual?.startsWith(`v${version}`)) {
    console.error(`FAIL Node ${version}: ${node} says ${actual ?? 'nothing'}`);
    return false;
  }
  console.log(`--- hello on Node ${actual}`);
  const ok = run(node, ['--import', 'tsx', 'examples/hello.ts']);
  console.log(`${ok ? 'ok' : 'FAIL'} Node ${actual}`);
  return ok;
}

try {
  const failed = install() ? versions.filter((version) => !hello(version)) : versions;
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
