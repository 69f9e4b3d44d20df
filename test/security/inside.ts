import { Container, type ContainerOptions, type CopyIn, NacelleError, type RunOptions } from '../../lib/index.js';
import { compile } from '../fixtures/compile.js';
import { busybox } from '../fixtures/sandbox.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const folder = temporaryFolder();
const programs = new Map<string, string>();

/** A program of test/fixtures/programs, compiled. */
export function programFile(name: string): string {
  const path = programs.get(name) ?? compile(name, folder);
  programs.set(name, path);
  return path;
}

/** `copyIn` of such a program, which is then `/NAME`. */
export function program(name: string, more: CopyIn = {}): Record<string, CopyIn> {
  return { [`/${name}`]: { source: programFile(name), mode: 0o755, ...more } };
}

/** What a program says in the small image, or `refused: CODE` where no container is made for it. */
export async function said(command: readonly string[], options: RunOptions = {}): Promise<string> {
  return answered(Container.run({ ...(options.rootfs === undefined ? await busybox() : {}), command, timeout: 60_000, ...options }));
}

/** What is said at the end of a call, or the error's code. What has no type is no answer. */
export async function answered(call: Promise<{ stdout: string; stderr: string; status: string }>): Promise<string> {
  try {
    const { stdout, stderr, status } = await call;
    return stdout.trim() || stderr.trim() || status;
  } catch (error) {
    if (error instanceof NacelleError) return `refused: ${error.code}`;
    throw error;
  }
}

/** An attack by a script of a shell, which says one line. */
export function script(text: string, more: RunOptions = {}): (setting: RunOptions) => Promise<string> {
  return (setting) => said(['sh', '-c', text], { ...more, ...setting });
}

/** An attack by a program of test/fixtures/programs. */
export function by(name: string, ...args: readonly string[]): (setting: RunOptions) => Promise<string> {
  return async (setting) => {
    const line = await said([`/${name}`, ...args], { ...setting, copyIn: program(name) });
    // the probe says the name of what it tried first
    return args[0] !== undefined && line.startsWith(`${args[0]} `) ? line.slice(args[0].length + 1) : line;
  };
}

/** Opens a file to write, and writes nothing: what is the host's stays as it is. */
export function opens(path: string, before = 'true'): string {
  return `${before} 2>/dev/null; if (: >> ${path}) 2>/dev/null; then echo opened; else echo refused; fi`;
}

/** While `use` runs, a container of the small image runs too. */
export async function beside<T>(options: ContainerOptions, use: (container: Container<'utf8'>) => Promise<T>): Promise<T> {
  await using container = await Container.create({ ...(await busybox()), command: ['sleep', '100000'], ...options });
  await container.start();
  return await use(container);
}
