import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';

/** Runs the example once more by a command that ends with exec of its arguments, and ends with it. Where that was done before, the example goes on. */
export function runInside(command: string, ...args: string[]): void {
  if (process.env.EXAMPLE_OUTSIDE !== undefined) return;
  const env = { ...process.env, EXAMPLE_OUTSIDE: readlinkSync('/proc/self/ns/net') };
  const { status } = spawnSync(command, [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env,
  });
  process.exit(status ?? 1);
}
