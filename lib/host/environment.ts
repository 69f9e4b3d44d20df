import { DEFAULT_PATH } from '../plan/constants.js';

/**
 * The environment of a program that runs on the host's own files, as 'NAME=value': PATH and what is given,
 * or all of Node's with `extendEnv`. HOME is added by the exec step, from the user that it becomes.
 */
export function hostEnvironment(
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly extendEnv: boolean },
  own: NodeJS.ProcessEnv = process.env,
): string[] {
  const all = { ...(options.extendEnv ? own : { PATH: own.PATH ?? DEFAULT_PATH }), ...options.env };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}
