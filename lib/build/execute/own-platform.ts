import { currentPlatform } from '../../image/formats/platform.js';
import { InstructionProblem } from '../language/build-error.js';

/** @throws InstructionProblem for another platform than this machine's */
export function requirePlatform(platform: string): void {
  const { os, architecture } = currentPlatform();
  if (platform === '' || platform === `${os}/${architecture}` || platform === architecture) return;
  throw new InstructionProblem(`the platform ${platform} can't be built here, which is ${os}/${architecture}`);
}
