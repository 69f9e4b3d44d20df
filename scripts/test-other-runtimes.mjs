// Bun and Deno load addons, and end at once with what ours needs of Node: there everything must be refused before it is loaded.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './shared.mjs';

/** The packages behind the npm packages of that name that carry the executable itself. */
const bun = { x64: '@oven/bun-linux-x64', arm64: '@oven/bun-linux-aarch64' }[process.arch];
const deno = { x64: '@deno/linux-x64-glibc', arm64: '@deno/linux-arm64-glibc' }[process.arch];
const runtimes = [
  { name: 'Bun', package: bun, version: '1', executable: 'bin/bun', args: [] },
  { name: 'Deno', package: deno, version: '2', executable: 'deno', args: ['run', '--allow-all'] },
];

const program = (name, load) => `
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
const { Cgroup, Container, Image, Namespace, OverlayFs, features, reap } = ${load};
const refused = { name: 'UnsupportedError', code: 'ERR_UNSUPPORTED', message: /${name}.*Node/ };
const command = ['true'];
const uses = {
  run: () => Container.run({ image: 'host', command }),
  create: () => Container.create({ image: 'host', command }),
  reap: () => reap(),
  group: () => Cgroup.create('other-runtime'),
  namespace: () => Namespace.create(['net']),
  enter: async () => (await Namespace.of('self', 'net')).run(command),
  overlay: () => OverlayFs.mount({ lower: ['/usr'] }),
  image: () => Image.prune(),
};
for (const [name, use] of Object.entries(uses)) await assert.rejects(use(), refused, name);
const { overlay, seccomp, cgroup } = await features();
for (const { available, reason } of [overlay, seccomp, cgroup]) assert.ok(!available && reason.includes('${name}'));
console.log('ok ${name}: all is refused');
`;

const folder = mkdtempSync(join(tmpdir(), 'nacelle-runtimes-'));

function install() {
  const dependencies = Object.fromEntries(runtimes.map((runtime) => [runtime.package, runtime.version]));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  return run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], { cwd: folder });
}

const loads = {
  esm: `await import(${JSON.stringify(`${root}dist/index.js`)})`,
  cjs: `createRequire(import.meta.url)(${JSON.stringify(`${root}dist/index.cjs`)})`,
};

function refuses(runtime) {
  const executable = join(folder, 'node_modules', runtime.package, runtime.executable);
  const env = { NACELLE_ROOT: join(folder, 'store') };
  return Object.entries(loads).every(([format, load]) => {
    const file = join(folder, `${runtime.name}-${format}.mjs`);
    writeFileSync(file, program(runtime.name, load));
    const ok = run(executable, [...runtime.args, file], { cwd: folder, env, timeout: 120_000 });
    if (!ok) console.error(`FAIL ${runtime.name} (${format})`);
    return ok;
  });
}

try {
  process.exitCode = install() && runtimes.map(refuses).every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
