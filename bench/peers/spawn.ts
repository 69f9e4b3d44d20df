import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Subject, subject } from '../measure.js';

/** Runs a program as Container.run does: nothing to read, both outputs collected. Rejects when it fails. */
export async function runSpawned(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await succeeded(child, () => stderr);
  return stdout;
}

/** Waits until it has ended and its pipes are closed. */
export async function succeeded(child: ChildProcess, said: () => string): Promise<void> {
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode ?? child.signalCode}: ${said()}`);
}

/** The program itself, with no sandbox at all. */
export function bareProgram(rootfs: string): [string, string[]] {
  return [join(rootfs, 'bin/busybox'), ['true']];
}

export function spawned(rootfs: string): Subject {
  const [command, args] = bareProgram(rootfs);
  return subject('child_process.spawn, no sandbox', () => runSpawned(command, args));
}
