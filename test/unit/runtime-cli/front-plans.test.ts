import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedConfig } from '../../../lib/oci-config/checked-config.js';
import { frontText } from '../../../lib/runtime-cli/front/front-file.js';
import { frontPlans, type GroupedRecord } from '../../../lib/runtime-cli/front/front-plans.js';
import { plansText, written } from '../../../lib/runtime-cli/front/plans-text.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';

const record: GroupedRecord = {
  ...{
    format: 1,
    ociVersion: '1.3.0',
    id: 'one',
    pid: 42,
    startTime: '4242',
    bundle: '/b',
    rootfs: '/b/rootfs',
    created: 'then',
    owner: 'root',
  },
  ...{ annotations: { a: 'b\nc' }, home: '/cg/x', freezer: { path: '/cg/free zer', version: 1 }, config: {} },
  groups: [{ path: '/cg/x', mountPoint: '/cg', version: 2, controllers: [] }],
};

type Changes = (config: { hooks?: object; linux: { namespaces: { type: string }[] } }) => void;

function plansOf(change: Changes = () => undefined, of = record) {
  const config = JSON.parse(specText());
  change(config);
  return frontPlans(of, checkedConfig('config.json', config));
}

/** What a command does: the names of its steps by the container's status. */
const opsOf = (command: string, change?: Changes, of?: GroupedRecord) =>
  Object.fromEntries(
    plansOf(change, of)
      .plans.filter((plan) => plan.command === command)
      .map(({ status, steps }) => [status, steps.map(({ op }) => op)]),
  );

describe('what the front does with a container', () => {
  it.each([
    ['start', { created: ['send_on'], running: ['refuse'], paused: ['refuse'], stopped: ['refuse'] }],
    ['kill', { created: ['signal'], running: ['signal'], paused: ['signal'], stopped: ['refuse'] }],
    ['kill KILL', { created: ['signal'], running: ['signal'], paused: ['signal', 'thaw'], stopped: ['refuse'] }],
    ['kill --all KILL', { created: ['kill_group'], running: ['kill_group'], stopped: ['kill_group'] }],
    ['pause', { created: ['freeze'], running: ['freeze'], paused: ['refuse'], stopped: ['refuse'] }],
    ['resume', { created: ['refuse'], running: ['refuse'], paused: ['thaw'], stopped: ['refuse'] }],
    [
      'delete',
      {
        created: ['signal', 'kill_group', 'remove_group', 'remove_state'],
        running: ['refuse'],
        paused: ['refuse'],
        stopped: ['kill_group', 'remove_group', 'remove_state'],
      },
    ],
    [
      'delete --force',
      {
        created: ['signal', 'kill_group', 'remove_group', 'remove_state'],
        running: ['signal', 'kill_group', 'remove_group', 'remove_state'],
        paused: ['thaw', 'signal', 'kill_group', 'remove_group', 'remove_state'],
        stopped: ['kill_group', 'remove_group', 'remove_state'],
      },
    ],
    ['kill --all', {}],
  ])('%s', (command, expected) => {
    expect(opsOf(command)).toEqual(expected);
  });

  it('kills all of one without a pid namespace of its own, unless it has to go on first', () => {
    const change: Changes = ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid');
    };
    expect(opsOf('kill KILL', change)).toEqual({ created: ['kill_group'], running: ['kill_group'] });
    expect(opsOf('kill', change)).toEqual(opsOf('kill'));
  });

  it('leaves hooks to Node', () => {
    const hook = [{ path: '/bin/true' }];
    const withHooks =
      (...kinds: string[]): Changes =>
      (config) => {
        config.hooks = Object.fromEntries(kinds.map((kind) => [kind, hook]));
      };
    expect(opsOf('start', withHooks('poststart'))).toEqual({});
    expect(opsOf('start', undefined, { ...record, notifies: true })).toEqual({});
    expect([opsOf('delete', withHooks('poststop')), opsOf('delete --force', withHooks('poststop'))]).toEqual([{}, {}]);
    const others = withHooks('prestart', 'createRuntime', 'createContainer', 'startContainer');
    expect([opsOf('start', others), opsOf('delete', others)]).toEqual([opsOf('start'), opsOf('delete')]);
  });
});

describe('plans as text', () => {
  const seen = { inode: 1n, size: 2n, changedNs: 3n };

  it('name all that they have', () => {
    const lines = plansText({ ...plansOf(), record: seen }).split('\n');
    expect(lines.slice(0, 5)).toEqual([
      'nacelle-oci plans 1',
      'record 1 2 3',
      'process 42 4242',
      'freezer 1 /cg/free zer',
      'created start',
    ]);
    expect(lines.slice(-2)).toEqual(['end', '']);
    const state = lines.indexOf('on running state');
    expect(lines[state + 1]).toBe('do print');
    const text = decodeURIComponent(lines[state + 2]?.replace('  text ', '') ?? '');
    expect(JSON.parse(text)).toMatchObject({ status: 'running', pid: 42, annotations: { a: 'b\nc' } });
  });

  it('have each value in one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const line = written(value);
        expect(line).not.toMatch(/[\n\r\0]/);
        expect(line.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))).toBe(value);
      }),
    );
  });
});

describe('the file of the front', () => {
  const facts = { shim: '/opt/shim', node: '/opt/my node', script: '/x/50%.js', root: '/run/x', resident: null, unset: ['NODE_OPTIONS'] };

  it('names its interpreter, and what that needs', () => {
    const text = frontText(facts);
    expect(text?.startsWith('#!/opt/shim nacelle-oci\n')).toBe(true);
    expect(text).not.toContain('\nresident');
    expect(frontText({ ...facts, resident: 30 })?.split('\n')).toContain('resident 30');
    for (const line of ['node /opt/my node', 'script /x/50%25.js', 'root /run/x', 'missing container does not exist', 'unset NODE_OPTIONS'])
      expect(text?.split('\n')).toContain(line);
  });

  it.each(['/opt/my shim', '/opt/my\tshim', `/${'x'.repeat(250)}`])('is none where %j is to be its interpreter', (shim) => {
    expect(frontText({ ...facts, shim })).toBeNull();
  });
});
