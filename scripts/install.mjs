// What `npm install` runs: takes a prebuilt addon where there is one, else compiles it and the shim.
import { spawnSync } from 'node:child_process';
import { nodeHeaders } from './node-headers.mjs';

if (process.platform !== 'linux') {
  console.log(`nacelle: nothing to build on ${process.platform}; its functions will say that they need Linux`);
} else {
  const { status, error } = spawnSync('node-gyp-build', { stdio: 'inherit', env: { JOBS: 'max', ...nodeHeaders, ...process.env } });
  if (error) throw error;
  if (status !== 0) {
    console.error('nacelle: the addon was not built. It needs g++ (C++17), make and python3: on Debian, apt-get install g++ make python3.');
    if (!nodeHeaders.npm_config_nodedir) console.error('Node came without its headers (include/node), so nodejs.org must be reached too.');
  }
  process.exit(status ?? 1);
}
