import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NacelleError } from '../../../lib/errors.js';
import type { GroupLayout } from '../../../lib/host/cgroup-base.js';
import { parseStat } from '../../../lib/host/process-identity.js';
import { deviceRulesOf, limitsOf, unifiedWrites } from '../../../lib/oci-config/bundle-limits.js';
import { resourcesSchema } from '../../../lib/oci-config/resources-schema.js';
import { signalOf } from '../../../lib/runtime-cli/change-container.js';
import { asksForHelp, commandHelp, isCommandName } from '../../../lib/runtime-cli/command-help.js';
import { parseFlags } from '../../../lib/runtime-cli/command-line.js';
import { capabilitySets, processEnvironment } from '../../../lib/runtime-cli/config/process-facts.js';
import { tableText } from '../../../lib/runtime-cli/containers-table.js';
import { launcherText, requireTrusted } from '../../../lib/runtime-cli/launcher.js';
import { freezerOf, groupFolders, homeOfGroup } from '../../../lib/runtime-cli/plan/bundle-groups.js';
import { changesOf, commands, flagsOf } from '../../../lib/runtime-cli/runtime-commands.js';
import { stateFolder } from '../../../lib/runtime-cli/state/container-state.js';
import { undoneAfter } from '../../../lib/runtime-cli/undone-after.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const folder = temporaryFolder();

describe('the help of a command', () => {
  it.each(Object.keys(commands).filter(isCommandName))('%s has its name, what it does, and each of its flags', (name) => {
    const { flags, short } = commands[name];
    const help = commandHelp(name, flags, short);
    expect(help).toMatch(new RegExp(`^NAME:\n   nacelle-oci ${name} - \\w.*\n\nUSAGE:\n   nacelle-oci ${name}`));
    for (const flag of Object.keys(flags)) expect(help).toMatch(new RegExp(`^   --${flag}\\b`, 'm'));
  });

  it('is asked for by the first word alone, which else may be the program', () => {
    expect([['-h'], ['--help', 'x'], ['id', '-h'], []].map(asksForHelp)).toEqual([true, true, false, false]);
  });
});

describe('a command line', () => {
  const table = { bundle: 'value', force: 'switch', env: 'list' } as const;

  it('has flags with one - or two, before its words', () => {
    const flags = parseFlags(['-b', '/x', '--force', '--env=A=1', '--env', 'B=2', 'id', '--bundle'], table, { short: { b: 'bundle' } });
    expect([flags.value('bundle'), flags.has('force'), flags.all('env'), flags.words]).toEqual([
      '/x',
      true,
      ['A=1', 'B=2'],
      ['id', '--bundle'],
    ]);
    expect(parseFlags(['--force=false', '--', '--force'], table)).toMatchObject({ words: ['--force'] });
  });

  it('has flags after words too, but for what follows the words of exec and ps', () => {
    const { update, kill, exec } = commands;
    const updated = flagsOf('update', update, ['id', '--pids-limit', '5', '--memory=1g']);
    expect([updated.words, updated.value('pids-limit'), updated.value('memory')]).toEqual([['id'], '5', '1g']);
    expect(flagsOf('kill', kill, ['id', '-9', '--all'])).toMatchObject({ words: ['id', '-9'] });
    expect(flagsOf('exec', exec, ['id', 'sh', '--tty']).words).toEqual(['id', 'sh', '--tty']);
  });

  it.each([
    [['--nope'], 'flag provided but not defined: -nope'],
    [['--bundle'], 'flag needs an argument: -bundle'],
    [['--force=perhaps'], 'invalid boolean value'],
    [['--constructor'], 'flag provided but not defined: -constructor'],
  ])('is refused: %j', (args, message) => {
    expect(() => parseFlags(args, table)).toThrow(message);
  });

  it('keeps each word after the flags', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(parseFlags(['--', ...words], table).words).toEqual(words);
      }),
    );
  });
});

describe('the flags of `exec`', () => {
  const { exec } = commands;
  const read = (...args: string[]) => changesOf(flagsOf('exec', exec, [...args, 'id']));

  it('are changes of the process', () => {
    expect(read()).toEqual({ env: [], cwd: null, user: null, additionalGids: [], capabilities: [] });
    expect(read('--cwd', '/x', '-e', 'A=', '--user', '1:2', '-g', '3', '-g', '4')).toMatchObject({
      ...{ env: ['A='], cwd: '/x', user: { uid: 1, gid: 2 }, additionalGids: [3, 4] },
    });
    expect(read('--user', '7').user).toEqual({ uid: 7 });
  });

  it.each([
    [['--cwd', 'rel'], 'invalid value "rel" for flag -cwd: must be an absolute path'],
    [['--env', 'A'], 'invalid value "A" for flag -env: must be NAME=VALUE'],
    [['--env', '=A'], 'for flag -env'],
    [['--user', 'root'], 'invalid value "root" for flag -user'],
    [['--user', '1:2:3'], 'must be UID[:GID]'],
    [['--user', '4294967295'], 'for flag -user: must be an id'],
    [['--additional-gids', '-1'], 'for flag -additional-gids'],
  ])('are refused by the flag: %j', (args, message) => {
    expect(() => read(...args)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(message) }));
  });
});

describe('what was undone', () => {
  it('never hides the first failure', async () => {
    const first = new NacelleError('first', { code: 'ERR_HOOK' });
    expect(await undoneAfter(first, () => undefined)).toBe(first);
    expect(first.cleanupError).toBeUndefined();
    const error = await undoneAfter(first, () => Promise.reject(new Error('second')));
    expect(error).toBe(first);
    expect(first.cleanupError?.message).toBe('second');
  });
});

describe('a signal', () => {
  it.each([
    ['KILL', 9],
    ['SIGTERM', 15],
    ['sigusr1', 10],
    ['37', 37],
    ['RTMIN+3', 37],
  ])('%s', (text, number) => {
    expect(signalOf(text)).toBe(number);
  });

  it.each(['65', 'NOPE', '', '-1', 'RTMIN+31'])('%j is none', (text) => {
    expect(() => signalOf(text)).toThrow('unknown signal');
  });
});

describe('an id', () => {
  it.each(['', '.', '..', 'a/b', '../x', 'a b', 'a\0'])('is refused: %j', (id) => {
    expect(() => stateFolder('/run/x', id)).toThrow(/container ID/);
  });

  it('is the name of a folder', () => {
    expect(stateFolder('/run/x', 'a.b_c+d-1').path).toBe('/run/x/a.b_c+d-1');
  });
});

describe('/proc/PID/stat', () => {
  const rest = 'S 1 2 3 0 -1 4194560 72 19 0 0 0 0 0 0 20 0 1 0 4242 100';

  it('is read past any name of a program', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(parseStat(`7 (${name}) ${rest}`)).toEqual({ state: 'S', startTime: '4242' });
      }),
    );
    expect(parseStat('')).toBeNull();
  });
});

describe('resources', () => {
  const limits = (resources: object) => limitsOf(resourcesSchema.parse(resources));

  it.each([
    [
      { memory: { reservation: 1e8 }, pids: { limit: 20 } },
      { memoryReservation: 1e8, pidsLimit: 20 },
    ],
    [{ blockIO: { weight: 10 } }, { ioWeight: 1 }],
    [{ blockIO: { weight: 100 } }, { ioWeight: 910 }],
    [{ blockIO: { weight: 1000 } }, { ioWeight: 10_000 }],
    [{ memory: { limit: -1, swap: -1 }, pids: { limit: -1 }, cpu: { quota: -1, period: 100_000, shares: 0 } }, {}],
    [
      { cpu: { quota: 50_000, period: 100_000, cpus: '0', idle: 1 } },
      { cpuQuota: 50_000, cpuPeriod: 100_000, cpusetCpus: '0', cpuIdle: true },
    ],
    [
      { blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 7 }], throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 9 }] } },
      { ioMax: [{ device: '8:0', readBps: 7, writeIops: 9 }] },
    ],
    [
      { hugepageLimits: [{ pageSize: '2MB', limit: 4 }], network: { classID: 5 } },
      { hugetlb: { '2MB': 4 }, netClassId: 5 },
    ],
  ])('%j', (resources, expected) => {
    expect(limits(resources)).toEqual(expected);
  });

  it('allow no devices without rules but those that every container has', () => {
    const usual = { type: 'c', major: 1, minor: 3, access: 'rwm', allow: true };
    for (const none of [undefined, resourcesSchema.parse({})]) {
      const rules = deviceRulesOf(none);
      expect(rules[0]).toEqual({ type: 'a', access: 'rwm', allow: false });
      expect(rules).toContainEqual(usual);
      expect(rules.filter(({ type, allow }) => type === 'b' && allow)).toEqual([{ type: 'b', access: 'm', allow: true }]);
    }
    const rules = deviceRulesOf(resourcesSchema.parse({ devices: [{ allow: true, type: 'c', major: 10, minor: 200 }] }));
    expect(rules[0]).toEqual({ type: 'a', access: 'rwm', allow: false });
    expect(rules[1]).toEqual({ type: 'c', major: 10, minor: 200, access: 'rwm', allow: true });
    expect(rules).toContainEqual(usual);
  });

  it('refuse all where a rule that refuses has an a among its letters, and know no such letter where one allows', () => {
    const rule = { type: 'c', major: 1, minor: 11 };
    const parsed = (allow: boolean) => resourcesSchema.parse({ devices: [{ ...rule, access: 'rwa', allow }] });
    expect(deviceRulesOf(parsed(false))).toContainEqual({ ...rule, access: 'rwm', allow: false });
    expect(() => parsed(true)).toThrow("must be made of 'r', 'w' and 'm'");
  });

  it('name files of cgroup v2 and no others', () => {
    expect(unifiedWrites(resourcesSchema.parse({ unified: { 'memory.high': '1' } }))).toEqual([{ file: 'memory.high', value: '1' }]);
    for (const file of ['../x', 'a/b', 'cgroup', '/etc/passwd'])
      expect(() => unifiedWrites(resourcesSchema.parse({ unified: { [file]: '1' } }))).toThrow('is no file of a group');
  });
});

describe('capabilities', () => {
  it('are sets by the kernel’s numbers; names that are not known are passed over', () => {
    const none = { inheritable: [], ambient: [], permitted: [] };
    const sets = capabilitySets({ capabilities: { ...none, bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NEW'], effective: ['CAP_KILL'] } });
    expect(sets).toEqual({
      bounding: 0b100001n,
      effective: 0b100000n,
      permitted: 0n,
      inheritable: 0n,
      ambient: 0n,
      notAmbient: [],
      unknown: ['CAP_NEW'],
    });
  });

  it('has those ambient that are permitted and inheritable', () => {
    const sets = {
      permitted: ['CAP_CHOWN', 'CAP_KILL'],
      inheritable: ['CAP_KILL', 'CAP_SETUID'],
      ambient: ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID'],
    };
    expect(capabilitySets({ capabilities: { ...sets, bounding: [], effective: [] } })).toMatchObject({
      ambient: 0b100000n,
      notAmbient: ['CAP_CHOWN', 'CAP_SETUID'],
    });
  });
});

describe('an environment', () => {
  it('has each name once, and what was said last of it', () => {
    expect(processEnvironment({ env: ['A=1', 'B=x=y', 'A=2', 'AB=3', 'A', 'B='] })).toEqual(['A', 'B=', 'AB=3']);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.string())), (entries) => {
        const env = entries.map(([name, value]) => `${name}=${value}`);
        expect(processEnvironment({ env }).sort()).toEqual(
          Object.entries(Object.fromEntries(entries))
            .map(([n, v]) => `${n}=${v}`)
            .sort(),
        );
      }),
    );
  });
});

describe('cgroupsPath', () => {
  const memory = { version: 1, mountPoint: '/cg/memory', ownPath: '/cg/memory/own', readOnly: false, controllers: ['memory'] } as const;
  const freezer = { version: 1, mountPoint: '/cg/freezer', ownPath: '/cg/freezer', readOnly: false, controllers: ['freezer'] } as const;
  const unified = { version: 2, mountPoint: '/cg/unified', ownPath: '/cg/unified/me', readOnly: false, controllers: [] } as const;
  const layout: GroupLayout = {
    ...{ mode: 'hybrid', unified, bases: new Map(), withheld: null, swap: { total: 0, accounted: false } },
    controllers: new Map<string, typeof memory | typeof freezer>([
      ['memory', memory],
      ['freezer', freezer],
    ]),
  };

  it.each([
    ['/a/b', ['/cg/unified/a/b', '/cg/memory/a/b', '/cg/freezer/a/b']],
    ['a', ['/cg/unified/me/a', '/cg/memory/own/a', '/cg/freezer/a']],
    ['', ['/cg/unified/me/id', '/cg/memory/own/id', '/cg/freezer/id']],
    [undefined, ['/cg/unified/me/id', '/cg/memory/own/id', '/cg/freezer/id']],
    ['/nacelle-oci-2', ['/cg/unified/nacelle-oci-2', '/cg/memory/nacelle-oci-2', '/cg/freezer/nacelle-oci-2']],
  ])('%j', (path, expected) => {
    const folders = groupFolders(layout, path, 'id');
    expect(folders.map((folder) => folder.path)).toEqual(expected);
    expect(homeOfGroup(folders)?.path).toBe(expected[0]);
    expect(freezerOf(folders)?.path).toBe(expected[2]);
  });

  it.each(['/', '//', '../x', '/a/../..', '/nacelle-oci', '/./nacelle-oci/x', '//nacelle-oci'])('is refused: %j', (path) => {
    expect(() => groupFolders(layout, path, 'id')).toThrow('linux.cgroupsPath');
  });
});

describe('cgroupsPath of systemd', () => {
  const unified = { version: 2, mountPoint: '/cg', ownPath: '/cg', readOnly: false, controllers: [] } as const;
  const layout: GroupLayout = {
    ...{ mode: 'v2', unified, bases: new Map(), withheld: null, swap: { total: 0, accounted: false }, controllers: new Map() },
  };

  it.each(['machine.slice:libpod:abc', ':docker:abc', 'kubepods-burstable-pod1.slice:cri-containerd:abc'])(
    'is refused without --systemd-cgroup: %j',
    (path) => {
      expect(() => groupFolders(layout, path, 'id')).toThrow(
        /linux\.cgroupsPath of config\.json, .* is not supported here: it names a scope of systemd/,
      );
    },
  );

  it.each(['/a.slice:b:c', 'a:b:c', 'a.slice:b', 'machine.slice/x:y:z'])('is none of these: %j', (path) => {
    expect(groupFolders(layout, path, 'id')).toMatchObject([{ path: `/cg/${path.replace(/^\//, '')}` }]);
  });
});

describe('what the launcher runs', () => {
  it('lies where root and this user alone may write', () => {
    const script = join(folder, 'open', 'script.js');
    mkdirSync(join(folder, 'open'));
    writeFileSync(script, '');
    expect(() => requireTrusted(script)).not.toThrow();
    chmodSync(join(folder, 'open'), 0o777);
    expect(() => requireTrusted(script)).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_OWN',
        message: expect.stringContaining(`${join(folder, 'open')} can be written to by others`),
      }),
    );
    chmodSync(join(folder, 'open'), 0o1777);
    expect(() => requireTrusted(script)).not.toThrow();
    chmodSync(script, 0o666);
    expect(() => requireTrusted(script)).toThrow(`${script} can be written to by others`);
  });
});

describe('the launcher', () => {
  it('names its Node, and clears what would load code into it', () => {
    const text = launcherText("/opt/it's/node", '/x/nacelle-oci.js');
    expect(text).toContain("exec '/opt/it'\\''s/node' '/x/nacelle-oci.js' \"$@\"\n");
    expect(text).toMatch(/^#!\/bin\/sh\nunset NODE_OPTIONS .* OPENSSL_CONF /);
  });
});

describe('a table', () => {
  it('has columns as wide as their words', () => {
    expect(
      tableText([
        ['ID', 'PID'],
        ['a-long-identifier', '1'],
      ]),
    ).toBe('ID                PID\na-long-identifier 1');
  });
});
