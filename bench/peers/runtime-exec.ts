import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from '../../test/fixtures/tools.js';
import { NotHere } from '../case.js';
import { type Subject, subject } from '../measure.js';
import { bundleConfig, cannotRun } from './runtime.js';
import { runSpawned, succeeded } from './spawn.js';

/** `exec` of an OCI runtime, in a container of its own that lives as long as it is measured. */
export async function runtimeExec(name: 'runc' | 'crun', rootfs: string): Promise<Subject> {
  const program = findTool(name);
  if (!program) throw new NotHere(`${name} is not installed`);
  // crun makes no groups beside v1's controllers: that is less work than ours
  const ways = name === 'runc' ? [[]] : [['--cgroup-manager=cgroupfs'], ['--cgroup-manager=disabled']];
  const folder = await mkdtemp(join(tmpdir(), `nacelle-bench-${name}-exec-`));
  const id = `nacelle-bench-exec-${process.pid}`;
  const config = bundleConfig(rootfs, { name: `${name}-exec`, args: ['/bin/sleep', '100000'] });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  let failure: unknown = null;
  for (const way of ways) {
    const options = [...way, '--root', join(folder, 'state')];
    const run = (): Promise<string> => runSpawned(program, [...options, 'exec', id, '/bin/true']);
    const remove = (): Promise<string> => runSpawned(program, [...options, 'delete', '--force', id]);
    const close = async (): Promise<void> => {
      await remove();
      await rm(folder, { recursive: true, force: true });
    };
    try {
      await start(program, [...options, 'run', '--detach', '--bundle', folder, id], join(folder, 'said'));
      await run();
      return subject(`${name} exec${way.includes('--cgroup-manager=disabled') ? ', no cgroups' : ''}`, run, close);
    } catch (error) {
      failure = error;
      await remove().catch(() => undefined);
    }
  }
  await rm(folder, { recursive: true, force: true });
  throw cannotRun(name, failure);
}

/** The standard streams are the container's, too, so a pipe would not end: what the runtime says goes to a file. */
async function start(program: string, args: readonly string[], file: string): Promise<void> {
  const said = openSync(file, 'w');
  try {
    await succeeded(spawn(program, args, { stdio: ['ignore', said, said] }), () => readFileSync(file, 'utf8'));
  } finally {
    closeSync(said);
  }
}
