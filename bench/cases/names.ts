import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NamesServer } from '../../test/fixtures/names/server.js';
import { namesDriver } from '../../test/fixtures/names.js';
import { until } from '../../test/fixtures/until.js';
import { type Case, effort, NotHere } from '../case.js';
import type { Subject } from '../measure.js';
import { compiled } from '../peers/compiled.js';
import type { Line } from '../table.js';
import { pair } from './pair.js';

const OURS = '127.0.0.11';
const THEIRS = '127.0.0.12';
const AT_ONCE = 32;

/** A network namespace with a loopback, by the command that goes into it. */
async function withNamespace<T>(use: (through: string[]) => Promise<T>): Promise<T> {
  const holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up && echo ready && exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  try {
    await Promise.race([once(holder.stdout, 'data'), ended.then(() => Promise.reject(new NotHere('no network namespace can be made')))]);
    return await use(['nsenter', '-t', String(holder.pid), '-n']);
  } finally {
    holder.kill('SIGKILL');
    await ended;
  }
}

async function withServer<T>(through: string[], use: () => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-bench-names-'));
  chmodSync(folder, 0o755);
  mkdirSync(`${folder}/members`, { mode: 0o755 });
  const shim = fileURLToPath(new URL('../../build/Release/nacelle-shim', import.meta.url));
  const server = await NamesServer.start(await namesDriver(), shim, folder, through);
  try {
    server.member('web', 'front 10.89.0.2 web');
    await server.serve(1, OURS, 'front', 'yes');
    return await use();
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withDnsmasq<T>(through: string[], use: () => Promise<T>): Promise<T> {
  const own = ['--no-resolv', '--no-hosts', '--pid-file', '--user=root', '--host-record=web,10.89.0.2'];
  const where = [`--listen-address=${THEIRS}`, '--bind-interfaces'];
  const [command = '', ...args] = [...through, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', ...own, ...where];
  const peer = spawn(command, args, { stdio: 'ignore' });
  const ended = once(peer, 'exit');
  const gone = ended.then(([code]) => Promise.reject(new NotHere(`dnsmasq ended with ${code}: dnsmasq-base is not installed?`)));
  try {
    const first = asking('dnsmasq', THEIRS, 1, through);
    const answers = until('dnsmasq answers', () => first.run(1).catch(() => null)).finally(() => first.close?.());
    await Promise.race([answers, gone]);
    return await Promise.race([use(), gone]);
  } finally {
    peer.kill('SIGTERM');
    await ended;
  }
}

function asking(name: string, address: string, atOnce: number, through: string[]): Subject {
  return { ...compiled('names', (count) => [count, address, 'web', String(atOnce)], through), name };
}

/** The worst but one in a hundred of a batch. */
function worst({ name, run, close }: Subject): Subject {
  const slowest = async (count: number): Promise<number[]> => {
    const times = (await run(count)).sort((a, b) => a - b);
    return times.slice(Math.floor(times.length * 0.99)).slice(0, 1);
  };
  return { name, run: slowest, ...(close && { close }) };
}

/** Answers to one client, against those of dnsmasq. */
export const names: Case = {
  name: 'names',
  measure: (context) =>
    withNamespace((through) =>
      withServer(through, () =>
        withDnsmasq(through, async () => {
          const length = effort(context, { rounds: 20, batch: 5000, warm: 1000 }, { rounds: 6, batch: 2000, warm: 500 });
          const target = { bound: 'at most', value: 1 } as const;
          const both = (atOnce: number): [Subject, Subject] => [
            asking('nacelle', OURS, atOnce, through),
            asking('dnsmasq', THEIRS, atOnce, through),
          ];
          const [ours, theirs] = both(1);
          const lines: Line[][] = [
            await pair({ what: 'an answer by name, one at a time', compare: 'ratio', target }, both(1), length),
            await pair({ what: 'the same, 99th percentile', compare: 'ratio', target }, [worst(ours), worst(theirs)], length),
            await pair({ what: `an answer by name, ${AT_ONCE} at a time`, compare: 'ratio', target }, both(AT_ONCE), {
              ...length,
              batch: length.batch / 10,
            }),
          ];
          return lines.flat();
        }),
      ),
    ),
};
