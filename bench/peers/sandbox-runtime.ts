import { spawn } from 'node:child_process';
import { chdir, cwd } from 'node:process';
import { z } from 'zod';
import { NotHere } from '../case.js';
import { type Subject, subject } from '../measure.js';
import { succeeded } from './spawn.js';

/** The package is no dependency: whoever measures against it installs it beside. */
const PACKAGE = '@anthropic-ai/sandbox-runtime';

const call = z.custom<(...args: readonly unknown[]) => Promise<unknown>>((value) => typeof value === 'function');
const shape = z.object({ SandboxManager: z.object({ initialize: call, wrapWithSandbox: call, reset: call }) });

/** No network, the host's files for reading, one folder for writing: what it is used for, and its least. */
const CONFIG = {
  network: { allowedDomains: [], deniedDomains: [] },
  filesystem: { denyRead: [], allowWrite: ['/tmp'], denyWrite: [] },
};

/** Its API as its README uses it: set up once, then a command line for each run, which a shell starts. */
export async function sandboxRuntime(_rootfs: string, scratch: string): Promise<Subject> {
  const loaded: unknown = await import(PACKAGE).catch(() => null);
  if (loaded === null)
    throw new NotHere(`${PACKAGE} is not installed (npm install --no-save ${PACKAGE}; Debian: bubblewrap socat ripgrep)`);
  const { SandboxManager } = shape.parse(loaded);
  const home = cwd();
  // it makes what it hides in the working directory: files that are not there appear as empty ones
  chdir(scratch);
  await SandboxManager.initialize(CONFIG).catch((error: unknown) => {
    chdir(home);
    throw new NotHere(`${PACKAGE}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const once = async (): Promise<void> => {
    const line = z.string().parse(await SandboxManager.wrapWithSandbox('/bin/true'));
    const child = spawn(line, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.resume();
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await succeeded(child, () => said);
  };
  return subject('sandbox-runtime', once, async () => {
    await SandboxManager.reset();
    chdir(home);
  });
}
