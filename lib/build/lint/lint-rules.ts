/** What is looked for in a Dockerfile: BuildKit's rules by its names (https://docs.docker.com/reference/build-checks/). */
export type LintRule =
  | 'StageNameCasing'
  | 'FromAsCasing'
  | 'NoEmptyContinuation'
  | 'ConsistentInstructionCasing'
  | 'DuplicateStageName'
  | 'ReservedStageName'
  | 'JSONArgsRecommended'
  | 'MaintainerDeprecated'
  | 'UndefinedArgInFrom'
  | 'WorkdirRelativePath'
  | 'UndefinedVar'
  | 'MultipleInstructionsDisallowed'
  | 'LegacyKeyValueFormat'
  | 'InvalidBaseImagePlatform'
  | 'RedundantTargetPlatform'
  | 'SecretsUsedInArgOrEnv'
  | 'InvalidDefaultArgInFrom'
  | 'FromPlatformFlagConstDisallowed'
  | 'CopyIgnoredFile'
  | 'InvalidDefinitionDescription'
  | 'ExposeProtoCasing'
  | 'ExposeInvalidFormat';

/** These are kept only where the Dockerfile asks for them: `# check=experimental=all`. */
export const EXPERIMENTAL: ReadonlySet<LintRule> = new Set<LintRule>(['CopyIgnoredFile', 'InvalidDefinitionDescription']);

/** What a rule has found. */
export interface Finding {
  readonly rule: LintRule;
  readonly message: string;
  /** From 1. */
  readonly line: number;
}
