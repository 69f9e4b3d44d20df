/**
 * Dockerfiles and what is found in them: on `test/base:1`, an image that has PATH alone, `test/shell:1` with SHELL and IMGVAR, and `test/trig:1`
 * with ONBUILD. The comparison with BuildKit (test/engines/buildkit/compare.ts) tries these rows too.
 */
export interface LintRow {
  readonly text: string;
  /** 'LINE RULE: MESSAGE', by line. */
  readonly found: readonly string[];
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** The ignore file. */
  readonly ignore?: string;
  /** Where BuildKit says something else: why. */
  readonly differs?: string;
}
