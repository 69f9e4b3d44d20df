import { closeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { StdioItem } from '../options/process-options.js';
import { openOutput } from './descriptors.js';

/**
 * Opens the files that outputs go to. A file that both outputs go to, one of them by way of Node, has two descriptors: neither may write over what the
 * other has written, so both append.
 */
export class OutputFiles {
  readonly #outputs: readonly (readonly StdioItem[])[];
  readonly #emptied = new Set<string>();
  readonly #allByNode: boolean;

  /** @param allByNode every output goes by way of Node */
  constructor(stdout: readonly StdioItem[], stderr: readonly StdioItem[], allByNode = false) {
    this.#allByNode = allByNode;
    this.#outputs = [stdout, stderr];
  }

  /** @param path absolute. @throws as {@link openOutput} */
  async open(path: string, append: boolean, option: string): Promise<number> {
    if (!this.#isOfBoth(path)) return openOutput(path, append, option);
    if (!append && !this.#emptied.has(path)) closeSync(await openOutput(path, false, option));
    this.#emptied.add(path);
    return openOutput(path, true, option);
  }

  /** Two outputs that go to the file alone share one descriptor. */
  #isOfBoth(path: string): boolean {
    const names = (item: StdioItem): boolean => item.type === 'file' && resolve(item.file) === path;
    return this.#outputs.every((items) => items.some(names)) && (this.#allByNode || this.#outputs.some(({ length }) => length > 1));
  }
}
