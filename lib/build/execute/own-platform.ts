import { currentPlatform, parsePlatform, platformName, runsOn } from '../../image/formats/platform.js';
import { InstructionProblem } from '../language/build-error.js';

/**
 * Refuses what this machine's processor doesn't run.
 *
 * @param platform as FROM has it: 'linux/amd64', 'arm64', 'linux/arm/v7'; '': not given
 * @throws InstructionProblem
 */
export function requirePlatform(platform: string): void {
  if (platform === '') return;
  const wanted = parsePlatform(platform);
  if (!wanted)
    throw new InstructionProblem(`the platform ${JSON.stringify(platform)} is none: it has to be like linux/amd64 or linux/arm/v7`);
  const own = currentPlatform();
  if (!runsOn(wanted, own))
    throw new InstructionProblem(`the platform ${platformName(wanted)} can't be built here, which is ${platformName(own)}`);
}
