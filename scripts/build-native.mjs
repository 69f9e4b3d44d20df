// Compiles the addon and the shim, as far as they have changed.
import { nodeHeaders } from './node-headers.mjs';
import { run } from './shared.mjs';

const done = run('npx', ['--no-install', 'node-gyp', 'configure', 'build', '-j', 'max', '--loglevel=warn'], {
  env: { ...nodeHeaders, ...process.env },
});
process.exitCode = done ? 0 : 1;
