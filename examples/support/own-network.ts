// Runs the example once more in a network namespace of its own (unshare(1)), so that this machine gets no bridge of it. To be imported first.
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';

const own = readlinkSync('/proc/self/ns/net');
if (process.env.EXAMPLE_OUTSIDE === undefined) {
  const env = { ...process.env, EXAMPLE_OUTSIDE: own };
  const { status } = spawnSync('unshare', ['-n', process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env,
  });
  process.exit(status ?? 1);
}
