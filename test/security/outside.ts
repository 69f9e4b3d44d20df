import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { pidOf } from '../fixtures/host.js';
import { busyboxRootfsCopy } from '../fixtures/images.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { inventory } from '../fixtures/tree.js';
import { caller, hasIds } from './attack.js';

const run = promisify(execFile);
const folder = temporaryFolder();
const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

export const SECRET = 'the secret of the host';

/** A file in a folder of its own, which stand for the host's. */
export interface HostFile {
  readonly folder: string;
  readonly path: string;
  /** `untouched`, or what became of the file and its folder. */
  state(): string;
}

export function hostFile(mode = 0o644, name = 'secret'): HostFile {
  const own = mkdtempSync(join(folder, 'host-'));
  chmodSync(own, 0o755);
  const path = join(own, name);
  writeFileSync(path, SECRET, { mode });
  const before = factsOf(own);
  return { folder: own, path, state: () => (factsOf(own) === before ? 'untouched' : 'changed') };
}

/** An empty folder of the test's own. */
export function emptyFolder(): string {
  return mkdtempSync(join(folder, 'empty-'));
}

/** A root file system of busybox with links, by their paths. */
export async function rootWith(links: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await busyboxRootfsCopy();
  roots.push(root);
  for (const [path, target] of Object.entries(links)) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  return root;
}

/** A script of the host's shell, with `$1` and so on; what it says. Its mounts are in a mount namespace of its own, which goes with it. */
export async function privately(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(
    'unshare',
    [
      ...(caller === 'root' ? [] : ['-Ur', ...(hasIds() ? ['--map-auto'] : []), '--pid', '--fork']),
      '-m',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      'sh',
      ...args,
    ],
    { timeout: 60_000 },
  );
  return stdout.trim();
}

/** The same where no mounts are made. */
export async function shell(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('sh', ['-c', script, 'sh', ...args], { timeout: 60_000 });
  return stdout.trim();
}

/** While `use` runs, a process of the host's runs too. Its environment has the secret. */
export async function withVictim<T>(use: (pid: number, victim: ChildProcess) => Promise<T>): Promise<T> {
  const victim = spawn('sleep', ['1000'], { env: { ...process.env, SECRET }, stdio: 'ignore' });
  await once(victim, 'spawn');
  try {
    return await use(pidOf(victim), victim);
  } finally {
    const ended = victim.exitCode !== null || victim.signalCode !== null ? null : once(victim, 'close');
    victim.kill('SIGKILL');
    await ended;
  }
}

function factsOf(path: string): string {
  return JSON.stringify(inventory(path));
}
