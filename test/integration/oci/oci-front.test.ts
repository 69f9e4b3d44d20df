import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { madeRecord, statusOf } from '../../../lib/runtime-cli/state/container-state.js';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import {
  type BundleChange,
  called,
  installFront,
  makeBundle,
  type RuntimeCall,
  runtimeIn,
  useRuntimes,
} from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

// The front of the command does some of it without Node. Whatever it does is what Node does.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { states } = useRuntimes(folder);
const nodeStates = join(folder, 'states-of-node');
const byNode = runtimeIn(nodeStates, 'Node');
const starts = join(folder, 'starts-of-node');

afterEach(async () => {
  for (const id of existsSync(nodeStates) ? readdirSync(nodeStates) : []) await byNode('delete', '--force', id);
});

/** A program in the place of Node. */
function program(name: string, script: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

/** Calls the front, whose starts of Node are written down. */
const front = installFront(join(folder, 'front'), {
  node: program('node', `script="$1"; shift; printf '%s\\n' "$*" >> '${starts}'; exec '${process.execPath}' "$script" "$@"`),
  root: states,
});

/** A step of a story: a command, or to wait until the container's process has ended, which the one before it kills. */
type Told = readonly string[] | 'ended';

interface Way {
  readonly root: string;
  call(args: readonly string[]): Promise<RuntimeCall>;
}

const ways: readonly Way[] = [
  { root: states, call: (args) => called(front, ['--root', states, ...args]) },
  { root: nodeStates, call: (args) => byNode(...args) },
];

/** What is different in each container. */
function masked(text: string, root: string): string {
  return text
    .replaceAll(root, 'ROOT')
    .replace(/"pid": [1-9]\d*/g, '"pid": PID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]{12}Z/g, 'TIME');
}

/** What there is of the container now. */
function after(root: string): unknown {
  const path = join(root, 'one');
  if (!existsSync(path)) return null;
  const stateFolder = { path, id: 'one' };
  return { files: readdirSync(path).sort(), status: statusOf(stateFolder, madeRecord(stateFolder)) };
}

/** Does all of a story, and tells what each step came to. */
async function transcript({ root, call }: Way, bundle: string | null, story: readonly Told[]): Promise<unknown[]> {
  if (bundle !== null) expect(await call(['create', '--bundle', bundle, 'one'])).toMatchObject({ code: 0, stderr: '' });
  const all: unknown[] = [];
  for (const [index, step] of story.entries()) {
    if (step === 'ended') continue;
    const log = join(root, '..', 'log');
    const { code, stdout, stderr } = await call(['--log', log, '--log-format', index % 2 === 0 ? 'json' : 'text', ...step]);
    const logged = existsSync(log) ? readFileSync(log, 'utf8') : null;
    rmSync(log, { force: true });
    if (story[index + 1] === 'ended') {
      const { pid } = madeRecord({ path: join(root, 'one'), id: 'one' });
      await until('its process has ended', () => (processInfo(pid)?.state ?? 'Z') === 'Z');
    }
    all.push({
      step,
      code,
      stdout: masked(stdout, root),
      stderr: masked(stderr, root),
      logged: logged && masked(logged, root),
      after: after(root),
    });
  }
  return all;
}

/** Tells a story both ways. @returns the commands for which the front has started Node */
async function toldTwice(change: BundleChange | null, story: readonly Told[], args = ['busybox', 'sleep', '1000']): Promise<string[]> {
  const bundle = change === null ? null : makeBundle(folder, args, change);
  if (bundle !== null) writeFileSync(join(bundle, 'rootfs/bin/none'), 'none', { mode: 0o755 });
  writeFileSync(starts, '');
  const [theFront, node] = [await transcript(ways[0] as Way, bundle, story), await transcript(ways[1] as Way, bundle, story)];
  expect(theFront).toEqual(node);
  const started = readFileSync(starts, 'utf8').trimEnd().split('\n');
  return started
    .map((line) => line.replace(/^.*--log-format \w+ /, ''))
    .filter((line) => !line.startsWith(`--root ${states} create`) && line !== '');
}

const ID = 'one';

describe('the front and Node', () => {
  it('do the same through the whole life of a container', async () => {
    const node = await toldTwice(
      () => undefined,
      [
        ['state', ID],
        ['resume', ID],
        ['kill', ID, 'NOPE'],
        ['kill', ID, 'WINCH'],
        ['kill', ID, '0'],
        ['kill', ID, '00'],
        ['pause', ID],
        ['kill', ID, '0'],
        ['state', ID],
        ['pause', ID],
        ['start', ID],
        ['delete', ID],
        ['resume', ID],
        ['start', ID],
        ['kill', ID, '0'],
        ['start', ID],
        ['--debug', 'state', ID],
        ['delete', ID],
        ['delete', ID],
        ['kill', '-a', ID, 'sigwinch'],
        ['kill', '--all', ID, '0'],
        ['pause', ID],
        ['kill', ID, '9'],
        'ended',
        ['state', ID],
        ['kill', ID],
        ['kill', ID, '0'],
        ['kill', ID, 'SIGKILL'],
        ['kill', '--all', ID, 'KILL'],
        ['pause', ID],
        ['resume', ID],
        ['start', ID],
        ['delete', ID],
        ['delete', ID],
        ['delete', '--force', ID],
        ['state', ID],
      ],
    );
    expect(node).toEqual([`kill ${ID} NOPE`, `kill ${ID} 00`, `kill -a ${ID} sigwinch`, `kill --all ${ID} 0`]);
  });

  it.each<[string, readonly Told[]]>([
    ['that is only created', [['delete', ID]]],
    [
      'that is created and paused',
      [
        ['pause', ID],
        ['delete', '-f', ID],
      ],
    ],
    [
      'that runs',
      [
        ['start', ID],
        ['delete', '--force', ID],
      ],
    ],
    [
      'that is paused',
      [
        ['start', ID],
        ['pause', ID],
        ['delete', '--force', ID],
      ],
    ],
    ['whose processes were all killed', [['start', ID], ['kill', '--all', ID, 'KILL'], 'ended', ['delete', ID]]],
  ])('remove a container %s', async (_, story) => {
    expect(await toldTwice(() => undefined, story)).toEqual([]);
  });

  it('kill all of a container without a pid namespace of its own', async () => {
    const withoutPids: BundleChange = (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
    };
    const story: Told[] = [['start', ID], ['kill', ID, 'KILL'], 'ended', ['state', ID], ['delete', ID]];
    expect(await toldTwice(withoutPids, story, ['sh', '-c', 'busybox sleep 1000 & busybox sleep 1000'])).toEqual([]);
  });

  it('tell why a program could not be run', async () => {
    const story: Told[] = [
      ['start', ID],
      ['state', ID],
      ['delete', ID],
    ];
    // what is no program of any kind is found by execve alone
    const node = await toldTwice(() => undefined, story, ['/bin/none']);
    expect(node).toEqual([expect.stringMatching(/^start --told \d+ one$/)]);
  });

  it('run hooks, which are for Node', async () => {
    const hooks: BundleChange = (config) => {
      config.hooks = { poststart: [{ path: '/bin/true' }], poststop: [{ path: '/bin/false' }] };
    };
    const node = await toldTwice(hooks, [['start', ID], ['kill', ID, 'KILL'], 'ended', ['delete', ID]]);
    expect(node).toEqual([`start ${ID}`, `delete ${ID}`]);
  });

  it('refuse the same command lines', async () => {
    const lines = [
      ...[
        ['state'],
        ['state', ''],
        ['state', '..'],
        ['state', '../one'],
        ['state', 'a', 'b'],
        ['state', '-x', 'a'],
        ['delete', '--force=perhaps', 'a'],
      ],
      ...[['kill'], ['kill', 'a', '0'], ['kill', 'a', '65'], ['kill', 'a', 'RTMIN+31'], ['kill', 'a', 'TERM', 'b'], ['kill', 'a', 'TERM']],
      ...[
        ['start', 'a'],
        ['delete', 'a'],
        ['delete', '-f', 'a'],
        ['delete', '--force=false', 'a'],
        ['pause', 'a'],
        ['--nope', 'state', 'a'],
        ['--root'],
      ],
    ];
    await toldTwice(null, lines);
  });
});

describe('what the front does not know is for Node', () => {
  /** The front with echo(1) in the place of Node. */
  const echoing = installFront(join(folder, 'echoing'), { node: '/bin/echo', root: states });
  const isNodes = async (...args: string[]): Promise<boolean> =>
    (await called(echoing, args)).stdout === `${[programFile('nacelle-oci'), ...args].join(' ')}\n`;

  it('such as plans that are not whole, not its own, or of another front', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const oci = runtimeIn(states);
    expect(await oci('create', '--bundle', bundle, ID)).toMatchObject({ code: 0, stderr: '' });
    const plans = join(states, ID, 'plans');
    const text = readFileSync(plans, 'utf8');
    expect(await isNodes('state', ID)).toBe(false);
    const others = [
      ...['', text.slice(0, -1), text.slice(0, text.length / 2), `${text}end\n`, `${text}\n`, text.replace('plans 1', 'plans 2')],
      ...[text.replace('do thaw', 'do melt'), text.replace('do thaw', 'do thaw\n  slowly 1'), text.replace('  number 0\n', '')],
      ...[text.replace('  number', '  count'), text.replace('number 0', 'number x'), text.replace('on created state', 'on creating state')],
      ...[
        text.replace(/on created state\n.*\n.*\n/, (plan) => plan + plan),
        text.replace('process ', 'process 0'),
        text.replace('end\n', 'more x\nend\n'),
      ],
      ...[text.replace('  text {', '  text %zz'), text.replace('  text {', '  text %00'), text.replace(/^record \d+/m, 'record 1')],
    ];
    for (const other of others) {
      expect(other).not.toBe(text);
      writeFileSync(plans, other);
      expect(await isNodes('state', ID), other.slice(0, 200)).toBe(true);
    }
    writeFileSync(plans, text);
    expect(await isNodes('state', ID)).toBe(false);
    for (const path of [plans, join(states, ID), states]) {
      chmodSync(path, 0o777);
      expect(await isNodes('state', ID), path).toBe(true);
      chmodSync(path, 0o700);
    }
    renameSync(plans, `${plans}-elsewhere`);
    symlinkSync(`${plans}-elsewhere`, plans);
    expect(await isNodes('state', ID)).toBe(true);
    rmSync(plans);
    renameSync(`${plans}-elsewhere`, plans);
    expect(await isNodes('state', ID)).toBe(false);
    // the same record in another file may be of another container
    const record = join(states, ID, 'state.json');
    writeFileSync(`${record}.new`, readFileSync(record));
    renameSync(`${record}.new`, record);
    expect(await isNodes('state', ID)).toBe(true);
    expect(await oci('delete', '--force', ID)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('such as a container without plans, a linked folder, flags and commands', async () => {
    mkdirSync(join(states, 'empty'), { recursive: true, mode: 0o700 });
    symlinkSync('empty', join(states, 'linked'));
    const calls = [
      ...[
        ['state', 'empty'],
        ['state', 'linked'],
        ['--rootless', 'auto', 'state', 'a'],
        ['--root', 'x', 'state', 'a'],
        ['--root', '/x/../y', 'state', 'a'],
      ],
      ...[['features'], ['list'], ['update', 'a'], ['exec', 'a', 'true'], ['--version'], []],
    ];
    for (const args of calls) expect(await isNodes(...args), args.join(' ')).toBe(true);
    for (const name of ['linked', 'empty']) rmSync(join(states, name), { recursive: true });
  });

  it('gets none of the variables that load code into it', async () => {
    const file = installFront(join(folder, 'telling'), { node: program('tell', 'env') });
    const shown = await called('/usr/bin/env', ['NODE_OPTIONS=--require=/x', 'OPENSSL_CONF=/x', 'LISTEN_FDS=0', file, 'features']);
    expect(shown.stdout).toContain('LISTEN_FDS=0\n');
    expect(shown.stdout).not.toMatch(/NODE_OPTIONS|OPENSSL_CONF/);
  });

  it('and a file that names no Node is an error', async () => {
    const file = join(folder, 'wrong');
    writeFileSync(file, `${readFileSync(front, 'utf8').split('\n', 1)[0]}\nroot /x\n`, { mode: 0o755 });
    expect(await called(file, ['state', 'a'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('write it again with nacelle-oci install'),
    });
    const gone = installFront(join(folder, 'gone'), { node: '/nowhere/node' });
    expect(await called(gone, ['features'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'nacelle-oci: run /nowhere/node: No such file or directory\n',
    });
  });
});
