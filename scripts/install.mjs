// What `npm install` runs: takes a prebuilt addon where there is one that loads and was made of the sources here, else compiles it and the shim. The published package
// (scripts/package.mjs) has no such script.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from './node-headers.mjs';
import { isOfSources } from './prebuild/sources.mjs';

const say = (text) => console.log(`nacelle: ${text}`);

/** Why there is no prebuild to use, or `null` when there is one. */
function whyNotPrebuilt(name) {
  if (process.env.npm_config_build_from_source) return 'it is told to be built from its sources';
  const project = fileURLToPath(new URL('..', import.meta.url));
  const prebuild = `${project}prebuilds/${name}`;
  const addon = `${prebuild}/nacelle.node`;
  if (!existsSync(addon)) return `the package has no prebuild for ${name}`;
  if (!isOfSources(prebuild, project)) return `the prebuild for ${name} was made of other sources`;
  try {
    createRequire(import.meta.url)(addon);
    return null;
  } catch (error) {
    return `the prebuild for ${name} does not load (${error.message.split('\n', 1)[0]})`;
  }
}

/** Compiles both parts; the exit status. */
function compile() {
  const args = [createRequire(import.meta.url).resolve('node-gyp-build/bin.js')];
  const env = { JOBS: 'max', ...nodeHeaders, ...process.env, npm_config_build_from_source: 'true' };
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit', env });
  if (error) throw error;
  if (status === 0) say('the addon and the shim are compiled');
  else {
    console.error('nacelle: the addon was not built. It needs g++ (C++17), make and python3: on Debian, apt-get install g++ make python3.');
    if (!nodeHeaders.npm_config_nodedir) console.error('Node came without its headers (include/node), so nodejs.org must be reached too.');
  }
  return status ?? 1;
}

if (process.platform !== 'linux') {
  say(`nothing to build on ${process.platform}; its functions will say that they need Linux`);
} else {
  const name = `linux-${process.arch}`;
  const reason = whyNotPrebuilt(name);
  if (reason === null) say(`takes the prebuild for ${name}, nothing is compiled`);
  else {
    say(`${reason}, so the addon and the shim are compiled`);
    process.exitCode = compile();
  }
}
