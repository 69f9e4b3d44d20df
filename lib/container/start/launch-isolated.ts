import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import type { ParsedOptions } from '../options/container-options.js';
import { launchLandlock } from './landlock-launch.js';
import { launch, type Parts } from './launch.js';
import type { LaunchOptions } from './launch-options.js';

/** Makes a container by the isolation that was asked for: one never comes in place of the other. @throws as `Container.run` */
export function launchIsolated<E extends Encoding>(program: Program<E>, options: ParsedOptions, how: LaunchOptions): Promise<Parts<E>> {
  return options.isolation === 'landlock' ? launchLandlock(program, options, how) : launch(program, options, how);
}
