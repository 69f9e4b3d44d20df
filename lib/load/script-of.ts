import { constants, Script } from 'node:vm';
import { wrappedText } from './wrapped-text.js';

/**
 * A file of CommonJS as V8 has it: a function of what such a file is handed.
 *
 * @param kept what V8 has made of it before: `undefined` for none. V8 may refuse it, and compiles then
 */
export function scriptOf(file: string, kept: Buffer | undefined): Script {
  return new Script(wrappedText(file), {
    filename: file,
    ...(kept === undefined ? {} : { cachedData: kept }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}
