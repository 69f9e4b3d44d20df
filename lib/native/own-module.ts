import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { UnsupportedError } from '../errors.js';

/**
 * The file that this code lies in: of the package, by which its native part and its dependencies are found.
 *
 * @throws UnsupportedError in a bundle of somebody else's that does not say
 */
export function ownFile(): string {
  const url: string | undefined = import.meta.url;
  if (!url?.startsWith('file:'))
    throw new UnsupportedError('a bundle that has nacelle in it', 'its native part is not found from there', EXTERNAL);
  return fileURLToPath(url);
}

export const EXTERNAL = 'Leave it out of the bundle: esbuild --external:nacelle, or what your bundler calls external.';

interface Lazy {
  undici: typeof import('undici');
  fzstd: typeof import('fzstd');
}

/** A dependency that most programs never use. Not by `import()`, which Jest has none of in CommonJS. */
export function requireDependency<N extends keyof Lazy>(name: N): Lazy[N] {
  return createRequire(ownFile())(name);
}
