import type { LintRow } from './lint-row.js';
import { CASING_AND_PATHS } from './lint-rows-casing-and-paths.js';
import { DIRECTIVES } from './lint-rows-directives.js';
import { INSTRUCTIONS } from './lint-rows-instructions.js';
import { VARIABLES } from './lint-rows-variables.js';

/** All Dockerfiles of which is known what is found in them. */
export const LINT_ROWS: readonly LintRow[] = [...CASING_AND_PATHS, ...VARIABLES, ...INSTRUCTIONS, ...DIRECTIVES];
