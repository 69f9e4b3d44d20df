import { posix } from 'node:path';
import type { IgnoreRules } from '../language/ignore-file.js';
import type { Add, Copy } from '../language/instruction-types.js';
import type { Finding } from './lint-rules.js';

/** Sources that the ignore file leaves out: they are not there to be copied. */
export function* ignoredFiles(instruction: Add | Copy, ignored: IgnoreRules, expand: (word: string) => string): Iterable<Finding> {
  if (instruction.kind === 'copy' && instruction.from !== '') return;
  const name = instruction.kind === 'copy' ? 'Copy' : 'Add';
  for (const source of instruction.sources.map(expand)) {
    if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/|^git@/.test(source)) continue;
    const path = posix.normalize(`/${source}`).slice(1).replace(/\/$/, '') || '.';
    if (ignored.test(path).isIgnored)
      yield {
        rule: 'CopyIgnoredFile',
        message: `Attempting to ${name} file ${JSON.stringify(source)} that is excluded by .dockerignore`,
        line: instruction.lines.start,
      };
  }
}
