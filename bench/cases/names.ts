import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NamesServer } from '../../test/fixtures/names/server.js';
import { namesDriver } from '../../test/fixtures/names.js';
import { until } from '../../test/fixtures/until.js';
import { type Case, effort, NotHere } from '../case.js';
import { type Effort, interleave, type Subject } from '../measure.js';
import { compiled } from '../peers/compiled.js';
import type { Line, Row } from '../table.js';

const OURS = '127.0.0.11';
const THEIRS = '127.0.0.12';
const PODMANS = '127.0.0.13';
/** Where Debian has it. */
const AARDVARK = '/usr/lib/podman/aardvark-dns';
const AT_ONCE = 32;

/**
 * All are on one processor: on two, an answer takes four times as long whenever the scheduler has put client and server apart, which is by chance and lasts
 * for a while.
 */
const onOneProcessor = (): string[] => {
  const [, first = '0'] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ['taskset', '-c', first];
};

/** A network namespace with a loopback, by the command that goes into it. */
async function withNamespace<T>(use: (through: string[]) => Promise<T>): Promise<T> {
  const holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up && echo ready && exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  try {
    await Promise.race([once(holder.stdout, 'data'), ended.then(() => Promise.reject(new NotHere('no network namespace can be made')))]);
    return await use(['nsenter', '-t', String(holder.pid), '-n', ...onOneProcessor()]);
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

/** That of podman, which goes into the background. `use` hears whether it is there. */
async function withAardvark<T>(through: string[], use: (isThere: boolean) => Promise<T>): Promise<T> {
  if (!existsSync(AARDVARK)) return use(false);
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-bench-names-'));
  const pidFile = join(folder, 'aardvark.pid');
  try {
    writeFileSync(join(folder, 'front'), `${PODMANS}\n${'1'.repeat(64)} 10.89.0.2  web\n`);
    const [command = '', ...args] = [...through, AARDVARK, '--config', folder, '--port', '53', 'run'];
    // a pipe would stay open as long as the server
    await once(spawn(command, args, { stdio: 'ignore' }), 'exit');
    const first = asking('aardvark-dns', PODMANS, 1, through);
    await until('aardvark-dns answers', () => first.run(1).catch(() => null)).finally(() => first.close?.());
    return await use(true);
  } finally {
    if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
    rmSync(folder, { recursive: true, force: true });
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

/** Ours against dnsmasq, and podman's against dnsmasq in the same rounds. */
async function rows(what: string, subjects: readonly Subject[], plan: Effort): Promise<Line[]> {
  const [ours, theirs, podmans] = await interleave(subjects, plan).finally(() => Promise.all(subjects.map(({ close }) => close?.())));
  if (!ours || !theirs) throw new Error('nothing was measured');
  const row = { unit: 'ms', against: { name: 'dnsmasq', measured: theirs }, compare: 'ratio' } as const;
  const own: Row = { ...row, what, measured: ours, target: { bound: 'at most', value: 1 } };
  return podmans ? [own, { ...row, what: `${what}, of aardvark-dns`, measured: podmans }] : [own];
}

/** Answers to one client, against those of dnsmasq and aardvark-dns. */
export const names: Case = {
  name: 'names',
  measure: (context) =>
    withNamespace((through) =>
      withServer(through, () =>
        withDnsmasq(through, () =>
          withAardvark(through, async (hasAardvark) => {
            const length = effort(context, { rounds: 20, batch: 5000, warm: 1000 }, { rounds: 6, batch: 2000, warm: 500 });
            const all = (atOnce: number): Subject[] => [
              asking('nacelle', OURS, atOnce, through),
              asking('dnsmasq', THEIRS, atOnce, through),
              ...(hasAardvark ? [asking('aardvark-dns', PODMANS, atOnce, through)] : []),
            ];
            const many = { ...length, batch: length.batch / 10 };
            return [
              ...(await rows('an answer by name, one at a time', all(1), length)),
              ...(await rows('the same, 99th percentile', all(1).map(worst), length)),
              ...(await rows(`an answer by name, ${AT_ONCE} at a time`, all(AT_ONCE), many)),
              ...(hasAardvark
                ? []
                : [{ what: 'an answer by name, of aardvark-dns', reason: `there is no ${AARDVARK}: the package aardvark-dns` }]),
            ];
          }),
        ),
      ),
    ),
};
