import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { hasCode, UnsupportedError } from '../errors.js';
import { unloaded } from './unloaded.js';

/**
 * The package's file that this code lies in: its native part and its dependencies are found from there.
 *
 * @throws UnsupportedError in a bundle of somebody else's that does not say
 */
export function ownFile(): string {
  const url: string | undefined = import.meta.url;
  if (!url?.startsWith('file:')) throw inBundle();
  return fileURLToPath(url);
}

/** The error for what is not found beside {@link ownFile}. */
export function inBundle(cause?: unknown): UnsupportedError {
  return new UnsupportedError(
    'nacelle in a bundle',
    'its native part and its own files are not found from there',
    'Leave it out and keep it in node_modules: esbuild --external:nacelle, or what your bundler calls external.',
    cause === undefined ? {} : { cause },
  );
}

interface Lazy {
  undici: typeof import('undici');
  fzstd: typeof import('fzstd');
}

/** Loads a dependency that most programs never use. It is not loaded by `import()`, which does not work with Jest in CommonJS. */
export function requireDependency<N extends keyof Lazy>(name: N): Lazy[N] {
  const require = createRequire(ownFile());
  try {
    return require(name);
  } catch (error) {
    const reason = unloaded(error, name);
    throw hasCode(reason, 'MODULE_NOT_FOUND') ? inBundle(error) : reason;
  }
}
