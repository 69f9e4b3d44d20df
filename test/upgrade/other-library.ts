import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach } from 'vitest';
import type { ContainerOptions } from '../../lib/index.js';
import { busybox } from '../fixtures/sandbox.js';

/** Runs each line that comes in, as the body of a function, and prints what it gives. `kept` is theirs to keep values in. */
const PROGRAM = `
const nacelle = await import(process.argv[1]);
const kept = {};
const Body = Object.getPrototypeOf(async () => {}).constructor;
const { createInterface } = await import('node:readline');
for await (const line of createInterface({ input: process.stdin })) {
  const { text, values } = JSON.parse(line);
  try {
    const value = await new Body('nacelle', 'kept', 'values', text)(nacelle, kept, values);
    console.log(JSON.stringify({ value: value ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: { name: error.name, code: error.code, message: error.message } }));
  }
}
process.exit(0);
`;

/** The other build of this library, in a process of its own. */
export class OtherLibrary {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  constructor(folder: string) {
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, `${folder}/dist/index.js`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // its addon is beside it
      env: { ...process.env, NACELLE_BUILD_DIR: undefined },
    });
    this.#ended = once(this.#child, 'exit');
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error('the process has no input or output');
    // a process that has ended is noticed where its output ends
    stdin.on('error', () => undefined);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** @param text the body of an async function of `nacelle`, `kept` and `values`; what it gives must be JSON */
  async run(text: string, values: unknown = null): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify({ text: text.replaceAll('\n', ' '), values })}\n`);
    const { done, value: line } = await this.#lines.next();
    if (done) throw new Error("the other library's process has ended");
    const { value, error } = JSON.parse(line);
    if (error) throw Object.assign(new Error(error.message), error);
    return value;
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }
}

/** One for each test that wants it. */
export function useOtherLibrary(): {
  run: OtherLibrary['run'];
  make: (command: readonly string[], options: ContainerOptions) => Promise<string>;
} {
  const folder = process.env.NACELLE_OTHER;
  let library: OtherLibrary | undefined;
  afterEach(async () => {
    await library?.end();
    library = undefined;
  });
  const run: OtherLibrary['run'] = (text, values) => {
    if (folder === undefined) throw new Error('the test does not require the other build');
    library ??= new OtherLibrary(folder);
    return library.run(text, values);
  };
  return {
    run,
    /** The id of a detached container in the small image, which the other library has started and keeps as `kept[id]`. */
    async make(command, options) {
      const text = 'const c = await nacelle.Container.create(values); kept[c.id] = c; await c.start(); return c.id;';
      return String(await run(text, { ...(await busybox()), command, detach: true, ...options }));
    },
  };
}
