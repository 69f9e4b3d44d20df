import type { z } from 'zod';
import type { DockerfileOption } from '../files/dockerfile-source.js';
import type { BuildInstruction } from '../steps/step-types.js';
import { stepsDockerfile } from '../steps/steps-dockerfile.js';

interface Given {
  readonly dockerfile?: string | { readonly content: string } | undefined;
  readonly steps?: readonly BuildInstruction[] | undefined;
  readonly from?: string | undefined;
}

/** Puts the Dockerfile that steps stand for in their place. */
export function withStepsWritten<T extends Given>(
  { from, steps, dockerfile, ...options }: T,
  context: z.RefinementCtx,
): Omit<T, 'dockerfile' | 'steps' | 'from'> & { readonly dockerfile: DockerfileOption } {
  const refuse = (option: string, message: string): void => context.addIssue({ code: 'custom', message, path: [option] });
  if (steps && dockerfile !== undefined) refuse('dockerfile', 'must not be there beside steps, which take its place');
  if (!steps && from !== undefined) refuse('from', 'must not be there without steps: a Dockerfile has its own FROM');
  if (!steps) return { ...options, dockerfile: dockerfile ?? 'Dockerfile' };
  const { content, lines } = stepsDockerfile(from ?? 'scratch', steps);
  return { ...options, dockerfile: { content, steps: lines } };
}
