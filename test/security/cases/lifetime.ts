import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Container, type RunOptions } from '../../../lib/index.js';
import { isAlive } from '../../fixtures/host.js';
import { startNode } from '../../fixtures/node.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { by, said, script } from '../inside.js';
import { shell } from '../outside.js';

/** How a run ended. */
const status = (command: readonly string[]) => async (options: RunOptions) =>
  (await Container.run({ ...(await busybox()), command, buffer: false, ...options })).status;

const FLOOD = ['head', '-c', '8388608', '/dev/zero'];
const BURN = ['sh', '-c', 'i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done'];

const DAEMON = 'setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!';

/** The host's number of a process that is to end. */
async function endsOf(pid: number): Promise<string> {
  await until('it ends', () => !isAlive(pid));
  return 'ended';
}

/** Ends a process that was left, if it was. */
async function killed(pid: number): Promise<string> {
  if (!isAlive(pid)) return 'ended';
  process.kill(pid, 'SIGKILL');
  await endsOf(pid);
  return 'lives on';
}

export const lifetime = [
  attack({
    attack: 'forks without end',
    source: 'fork bomb',
    protection: 'pidsLimit',
    tries: async (options: RunOptions) => ((await by('probe', 'fork', '60')(options)).endsWith('OK') ? 'forked' : 'EAGAIN'),
    on: [{ pidsLimit: 40 }, 'EAGAIN'],
    off: [{}, 'forked'],
  }),
  attack({
    attack: 'takes more memory than it was given',
    source: 'out of memory',
    protection: 'memory',
    as: rootOnly('a group must be delegated'),
    tries: async (options: RunOptions) => by('probe', 'eat', '64')(options),
    on: [{ memory: '32m' }, 'memory-limit'],
    off: [{}, 'ate'],
  }),
  attack({
    attack: 'fills the file system below its root',
    source: 'a full disk',
    protection: 'upperSize',
    tries: script('head -c 16777216 /dev/zero > /file 2>/dev/null && echo filled || echo ENOSPC'),
    on: [{ upperSize: '8m' }, 'ENOSPC'],
    off: [{ upperSize: '32m' }, 'filled'],
  }),
  attack({
    attack: 'writes without end',
    source: 'output flood',
    protection: 'maxBuffer',
    tries: (options: RunOptions) => status(FLOOD)({ ...options, buffer: true }),
    on: [{ maxBuffer: '1m' }, 'output-limit'],
    off: [{}, 'ok'],
  }),
  attack({
    attack: 'burns processor time',
    source: 'miner',
    protection: 'cpuTimeLimit',
    as: rootOnly('a group must be delegated'),
    tries: status(BURN),
    on: [{ cpuTimeLimit: 50 }, 'cpu-time-limit'],
    off: [{}, 'ok'],
  }),
  attack({
    attack: "leaves a process in a session of its own, among the host's",
    source: 'daemons',
    protection: 'the end of a run is the end of all in its group',
    tries: async (options: RunOptions) => endsOf(Number(await said(['sh', '-c', DAEMON], options))),
    on: [{ namespaces: { pid: 'host' } }, 'ended'],
    off: byHand('a child of Node', 'lives on', async () => killed(Number(await shell(DAEMON)))),
  }),
  attack({
    attack: 'goes on when the process that started it is killed',
    source: 'runaway programs',
    protection: 'the shim ends with Node, and the container with the shim',
    tries: async () => {
      const owner = startNode('owner');
      const { value } = await owner.lines.next();
      owner.process.kill('SIGKILL');
      await owner.ended;
      return endsOf(JSON.parse(value).pid);
    },
    on: [{}, 'ended'],
    off: byHand('a child of a shell', 'lives on', async () => {
      const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
      const [line] = await once(parent.stdout, 'data');
      const ended = once(parent, 'exit');
      parent.kill('SIGKILL');
      await ended;
      return killed(Number(String(line)));
    }),
  }),
];
