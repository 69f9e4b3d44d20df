// Compiles test/types as others compile it, who installed the package: in each module system, with every check, of libraries too.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './shared.mjs';

const folder = mkdtempSync(join(tmpdir(), 'nacelle-types-'));
const strict = {
  target: 'ES2022',
  // without what declares AsyncDisposable: @types/node does
  lib: ['ES2022'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
};
const tests = readdirSync(`${root}test/types`);
const projects = {
  'module.mts': { module: 'NodeNext' },
  'commonjs.cts': { module: 'NodeNext' },
  'bundled.ts': { module: 'ESNext', moduleResolution: 'Bundler' },
  'old.ts': { module: 'CommonJS', moduleResolution: 'Node10' },
};

function compiles([file, options]) {
  const files = tests.map((test) => `${test.replace(/\.ts$/, '')}-${file}`);
  files.forEach((copy, index) => {
    copyFileSync(`${root}test/types/${tests[index]}`, join(folder, copy));
  });
  writeFileSync(join(folder, `${file}.json`), JSON.stringify({ compilerOptions: { ...strict, ...options }, files }));
  const ok = run('npx', ['--no-install', 'tsc', '-p', join(folder, `${file}.json`)]);
  console.log(`${ok ? 'ok' : 'FAIL'} types in ${file} (${options.module})`);
  return ok;
}

/** Whoever calls a function can name what it takes and gives: every type of the public declarations is exported. */
function exportsAll() {
  const text = readFileSync(`${root}dist/index.d.cts`, 'utf8');
  const exported = new Set([...(/^export \{(.*)\};/ms.exec(text)?.[1] ?? '').matchAll(/(\w+)\s*(?:,|$)/g)].map(([, name]) => name));
  const declared = [...text.matchAll(/^(?:declare )?(?:abstract )?(?:interface|type|class|function) (\w+)/gm)].map(([, name]) => name);
  const left = declared.filter((name) => !exported.has(name));
  console.log(left.length === 0 ? `ok all ${declared.length} types are exported` : `FAIL not exported: ${left.join(', ')}`);
  return declared.length > 0 && left.length === 0;
}

try {
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'nacelle'));
  for (const name of ['@types/node', 'undici-types']) symlinkSync(`${root}node_modules/${name}`, join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  process.exitCode = [exportsAll(), ...Object.entries(projects).map(compiles)].every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
