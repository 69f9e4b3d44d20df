import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The root folder with Debian's engines in it, which have their own namespaces there (test/engines/in-root). */
export function enginesRoot(...programs: readonly string[]): string {
  const root = process.env.NACELLE_ENGINES_ROOT ?? '';
  const missing = programs.filter((program) => !existsSync(join(root, program)));
  if (root === '' || missing.length > 0)
    throw new Error(`NACELLE_ENGINES_ROOT names no root folder with ${programs.join(' and ')}: see CONTRIBUTING.md`);
  return root;
}
