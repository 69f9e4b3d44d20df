import { Container } from '../../container/container.js';
import { NacelleError } from '../../errors.js';
import { sorted } from '../cache/step-key.js';
import { started } from '../files/started-container.js';
import type { StageInstruction } from '../language/instruction-types.js';
import type { ParsedBuild } from './build-options.js';
import { limitsOf, rightsOf, workingFolder } from './run-step.js';
import { imageOf, type StageState } from './stage-state.js';

/**
 * What makes a container in the state that a stage has now, whatever becomes of it.
 *
 * @returns a function that throws NacelleError `ERR_STATE` where there are no files, and what making a container throws
 */
export function debugContainer(
  { layers, config, scope }: StageState,
  { instruction, options }: { readonly instruction: StageInstruction; readonly options: ParsedBuild },
): () => Promise<Container> {
  const [variables, cwd, user] = [[...scope.variables], workingFolder(config), config.user];
  const [shell = '/bin/sh'] = config.command({ words: [''], isShell: true });
  return async () => {
    const image = imageOf(layers);
    if (!image) throw new NacelleError('debug a build: the stage has no files yet', { code: 'ERR_STATE' });
    const container = await Container.create({
      image,
      entrypoint: [shell],
      command: [],
      env: Object.fromEntries(sorted(variables)),
      cwd,
      ...(user === '' ? {} : { user }),
      hostname: 'buildkitsandbox',
      network: instruction.kind === 'run' && instruction.network !== 'default' ? instruction.network : options.network,
      stdin: 'pipe',
      healthcheck: 'none',
      ...limitsOf({ ...options, timeout: 0 }),
      ...(instruction.kind === 'run' ? rightsOf(instruction.security) : {}),
    });
    return started(container);
  };
}
