import { performance } from 'node:perf_hooks';
import { Container } from 'nacelle';
import { type Case, effort } from '../case.js';
import { figures, interleave, type Subject } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { withServer } from '../served.js';

const MIB = 2 ** 20;
const BYTES = 1024 * MIB;

/** Reads to the end in a container, so that both sides of a comparison pay for starting it; MiB a second. */
function rates(name: string, container: Container, host: string, port: number): Subject {
  return figures(name, async () => {
    const started = performance.now();
    const { stdout, stderr } = await container.exec(['sh', '-c', `nc ${host} ${port} | wc -c`]);
    if (Number(stdout) !== BYTES) throw new Error(`${name}: ${stdout} bytes came of ${BYTES}: ${stderr}`);
    return BYTES / MIB / ((performance.now() - started) / 1000);
  });
}

export const relay: Case = {
  name: 'relay',
  measure: (context) =>
    withServer(context.rootfs, BYTES, async (port) => {
      const idle = { ...containerOptions(context.rootfs), command: ['sleep', '100000'] };
      await using apart = await Container.create({ ...idle, hostPorts: [port] });
      await using beside = await Container.create({ ...idle, network: 'host' });
      await Promise.all([apart.start(), beside.start()]);
      const [ours, theirs] = await interleave(
        [rates('hostPorts', apart, '198.19.255.254', port), rates("network: 'host'", beside, '127.0.0.1', port)],
        effort(context, { rounds: 8, batch: 1 }, { rounds: 2, batch: 1 }),
      );
      if (!ours || !theirs) throw new Error('nothing was measured');
      return [
        {
          what: "1 GiB from a port of the caller's, against the host's network",
          unit: 'MiB/s',
          measured: ours,
          against: { name: "network: 'host'", measured: theirs },
          compare: 'ratio',
          target: { bound: 'at least', value: 0.6 },
        },
      ];
    }),
};
