import { fileURLToPath } from 'node:url';
import { type Case, effort } from '../case.js';
import { interleave, subject } from '../measure.js';
import { runSpawned } from '../peers/spawn.js';
import type { Row } from '../table.js';

/** In the project's folder the package finds itself by its own name, so what is measured is the build that is published. */
function script(name: string, type: 'module' | 'commonjs', text: string) {
  process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
  return subject(name, () => runSpawned(process.execPath, [`--input-type=${type}`, '--eval', text]));
}

const FIRST_RUN = "import { Container } from 'nacelle'; await Container.run({ image: 'host', command: ['true'] });";

/** From the start of a Node process to its end, less that of an empty script. */
export const importing: Case = {
  name: 'import',
  async measure(context) {
    const forms = [
      ['module', "import 'nacelle';", "import 'nacelle';", 20],
      ['commonjs', "require('nacelle');", "require('nacelle');", 20],
      ['module', 'an import and a first run', FIRST_RUN, 60],
    ] as const;
    const rows: Row[] = [];
    for (const [type, what, text, value] of forms) {
      const [ours, empty] = await interleave(
        [script(what, type, text), script('an empty script', type, '')],
        effort(context, { rounds: 30, batch: 1 }, { rounds: 8, batch: 1 }),
      );
      if (!ours || !empty) throw new Error('nothing was measured');
      rows.push({
        what,
        unit: 'ms',
        measured: ours,
        against: { name: 'an empty script', measured: empty },
        compare: 'difference',
        target: { bound: 'at most', value },
      });
    }
    return rows;
  },
};
