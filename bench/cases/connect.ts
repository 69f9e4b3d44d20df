import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { Container } from 'nacelle';
import { type Case, effort } from '../case.js';
import { figures, interleave, subject } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { plain, serving, withServer } from '../served.js';

const MIB = 2 ** 20;
const BYTES = 1024 * MIB;

/** Reads to the end; MiB a second. */
async function rateOf(stream: Duplex): Promise<number> {
  let bytes = 0;
  const started = performance.now();
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(stream, 'end');
  stream.end();
  if (bytes !== BYTES) throw new Error(`${bytes} bytes came of ${BYTES}`);
  return bytes / MIB / ((performance.now() - started) / 1000);
}

export const connect: Case = {
  name: 'connect',
  measure: (context) =>
    withServer(context.rootfs, BYTES, async (port) => {
      await using container = await Container.create({ ...containerOptions(context.rootfs), command: serving(port, BYTES) });
      await container.start();
      await container.waitFor({ port });
      const [ours, theirs] = await interleave(
        [
          figures('container.connect', async () => rateOf(await container.connect(port))),
          figures('net.connect', async () => rateOf(await plain(port))),
        ],
        effort(context, { rounds: 8, batch: 1 }, { rounds: 2, batch: 1 }),
      );
      const opened = async (open: () => Promise<Duplex>): Promise<void> => void (await open()).destroy();
      const [ourTime, theirTime] = await interleave(
        [
          subject('container.connect', () => opened(() => container.connect(port))),
          subject('net.connect', () => opened(() => plain(port))),
        ],
        effort(context, { rounds: 20, batch: 10 }, { rounds: 5, batch: 10 }),
      );
      if (!ours || !theirs || !ourTime || !theirTime) throw new Error('nothing was measured');
      return [
        {
          what: '1 GiB through connect, against a plain socket',
          unit: 'MiB/s',
          measured: ours,
          against: { name: 'net.connect', measured: theirs },
          compare: 'ratio',
          target: { bound: 'at least', value: 0.6 },
        },
        {
          what: 'a connection, against a plain one',
          unit: 'ms',
          measured: ourTime,
          against: { name: 'net.connect', measured: theirTime },
          compare: 'ratio',
        },
      ];
    }),
};
