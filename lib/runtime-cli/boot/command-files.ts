import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Script } from 'node:vm';
import { scriptOf } from '../../load/script-of.js';

/** What a file of the package has: its modules by their paths, or what a dependency exports. */
type Part = Readonly<Record<string, () => unknown>>;

/** What a file of CommonJS is handed. */
type Wrapped = (exports: Part, require: (id: string) => unknown, module: { exports: Part }, file: string, folder: string) => void;

/** The module by which the package's files load each other, as they name it. */
const LOADER = './load.cjs';
/** Of the library's `api` a command has its own modules in its own file. */
const SERVED_BY: Readonly<Record<string, string>> = { api: 'oci' };

/** Where a file of the package is. Pure. */
export const fileOf = (folder: string, name: string): string => join(folder, `${name}.cjs`);

/** The files of the package that a command reads: its own, and those that it has in common with the library. Each is compiled, or taken from what was kept, as a whole. */
export class CommandFiles {
  readonly #scripts = new Map<string, Script>();
  readonly #loaded = new Map<string, Part>();
  readonly #folder: string;
  readonly #kept: ReadonlyMap<string, Buffer>;
  readonly #require: (id: string) => unknown;
  #isNew = false;

  /** @param kept what V8 has made of them before, by their names */
  constructor(folder: string, kept: ReadonlyMap<string, Buffer>) {
    this.#folder = folder;
    this.#kept = kept;
    const own = createRequire(fileOf(folder, 'oci'));
    const loader = { part: (name: string) => this.load(SERVED_BY[name] ?? name) };
    this.#require = (id) => (id === LOADER ? loader : own(id));
  }

  /** What a file has, by its name without `.cjs`. */
  load(name: string): Part {
    const known = this.#loaded.get(name);
    if (known !== undefined) return known;
    const file = fileOf(this.#folder, name);
    const module = { exports: {} };
    const wrapped: Wrapped = this.#compiled(name, file).runInThisContext();
    wrapped(module.exports, this.#require, module, file, this.#folder);
    this.#loaded.set(name, module.exports);
    return module.exports;
  }

  /** Whether code is to be kept: V8 has taken none for some file. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** What V8 has made of the files until now, and what was kept of those that this command has not read. */
  code(): Map<string, Buffer> {
    return new Map([...this.#kept, ...[...this.#scripts].map(([name, script]) => [name, script.createCachedData()] as const)]);
  }

  #compiled(name: string, file: string): Script {
    const kept = this.#kept.get(name);
    const script = scriptOf(file, kept);
    this.#scripts.set(name, script);
    this.#isNew ||= kept === undefined || script.cachedDataRejected === true;
    return script;
  }
}
