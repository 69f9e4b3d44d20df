import { InstructionProblem } from '../language/build-error.js';

const REMOTE = /^(?:https?:\/\/|git:\/\/|ssh:\/\/|git@|github\.com\/)|\.git(?:#|$)/;
/**
 * Refuses what ADD fetches from elsewhere.
 *
 * @throws InstructionProblem
 */
export function requireLocal(sources: readonly string[]): void {
  const remote = sources.find((source) => REMOTE.test(source));
  if (remote !== undefined) throw new InstructionProblem(`ADD of ${JSON.stringify(remote)}: files from elsewhere are not supported`);
}
