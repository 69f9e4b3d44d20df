import type { OwnFile } from '../../container/options/container-options.js';
import type { Mount } from '../../container/options/container-types.js';
import { oneOf, toError } from '../../errors.js';

/** What a container gets for the mounts of a RUN. */
export interface GivenMounts {
  readonly mounts: readonly Mount[];
  readonly files: readonly OwnFile[];
  /** Variables of secrets, over those that RUN has. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the socket of an agent is, or would be if one was given; `null`: none is asked for. */
  readonly agent: string | null;
}

/** A part of that, and what ends it when the container is gone. */
export interface OpenMount extends Partial<GivenMounts> {
  readonly close?: () => Promise<void>;
}

/** All parts together. Of several agents the first one counts. */
export function givenBy(opened: readonly OpenMount[]): GivenMounts {
  return {
    mounts: opened.flatMap(({ mounts = [] }) => mounts),
    files: opened.flatMap(({ files = [] }) => files),
    env: Object.fromEntries(opened.flatMap(({ env = {} }) => Object.entries(env))),
    agent: opened.find(({ agent }) => agent !== undefined)?.agent ?? null,
  };
}

/** Closes each, the last one first, even when others fail. @returns the failures */
export async function closeAll(opened: readonly OpenMount[]): Promise<Error | undefined> {
  const failures: Error[] = [];
  for (const { close } of opened.toReversed()) await close?.().catch((error: unknown) => failures.push(toError(error)));
  return oneOf(failures);
}
