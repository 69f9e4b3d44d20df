import { readFileSync } from 'node:fs';
import { Container, Network, type RunOptions } from 'nacelle';
import { type Case, effort } from '../case.js';
import { interleave, type Subject, subject } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';

const WHAT = 'a run on a network';
/** Of the bench's own, so that none of the machine's is used. */
const NAME = 'nacelle-bench';

/** What a link to a bridge costs a run: a lease, a veth pair, an address, a route. */
export const network: Case = {
  name: 'network',
  async measure(context) {
    if (/^ *(?!lo:)[^ :]+:/m.test(readFileSync('/proc/self/net/dev', 'utf8'))) {
      return [{ what: WHAT, reason: 'it would make a bridge beside the links of this machine: run it by `unshare -n`' }];
    }
    const run = (name: string, more: RunOptions): Subject =>
      subject(name, () => Container.run({ ...containerOptions(context.rootfs), ...more }));
    const plan = effort(context, { rounds: 100, batch: 4 }, { rounds: 10, batch: 4 });
    const network = await Network.create(NAME);
    const [none, bridge] = await interleave([run('none', {}), run('bridge', { network })], plan).finally(() => network.remove());
    if (!none || !bridge) return [];
    return [
      {
        what: WHAT,
        unit: 'ms',
        measured: bridge,
        against: { name: "network: 'none'", measured: none },
        compare: 'difference',
      },
    ];
  },
};
