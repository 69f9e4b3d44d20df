import { describe, expect, it } from 'vitest';
import { mountLabelOf, programLabels } from '../../../lib/runtime-cli/config/security-labels.js';
import { keyLabelSteps, labelOptions, programLabelSteps } from '../../../lib/runtime-cli/plan/label-steps.js';

const ALL = { apparmor: 'apparmor/exec', selinux: true } as const;
const NONE = { apparmor: null, selinux: false } as const;

describe('labels of security modules', () => {
  it('are refused where the kernel has not the module, in the words of runc', () => {
    expect(() => programLabels({ apparmorProfile: 'docker-default' }, NONE)).toThrow(
      'process.apparmorProfile of config.json is not supported here: config provided but apparmor not supported',
    );
    expect(() => programLabels({ selinuxLabel: 'a:b:c' }, { ...ALL, selinux: false })).toThrow('process.selinuxLabel of config.json');
    expect(() => programLabels({ apparmorProfile: 'a' }, { ...ALL, apparmor: null })).toThrow('process.apparmorProfile of config.json');
    const linux = { mountLabel: 'a:b:c' } as Parameters<typeof mountLabelOf>[0];
    expect(() => mountLabelOf(linux, NONE)).toThrow('linux.mountLabel of config.json');
    expect(mountLabelOf(linux, ALL)).toBe('a:b:c');
  });

  it('are none where none are given, or empty ones', () => {
    for (const none of [{}, { apparmorProfile: '', selinuxLabel: '' }]) {
      const labels = programLabels(none, NONE);
      expect(labels).toEqual({ apparmor: null, selinux: null });
      expect([programLabelSteps(labels), keyLabelSteps(labels)]).toEqual([[], []]);
    }
    expect(mountLabelOf(undefined, NONE)).toBeNull();
  });

  it('are written as each module wants them', () => {
    const labels = programLabels({ apparmorProfile: 'p', selinuxLabel: 'a:b:c:s0:c1,c2' }, { ...ALL, apparmor: 'exec' });
    const written = [...programLabelSteps(labels), ...keyLabelSteps(labels)].map((step) =>
      step.op === 'security_attribute' ? [step.name, step.value] : [],
    );
    expect(written).toEqual([
      ['exec', 'exec p'],
      ['exec', 'a:b:c:s0:c1,c2'],
      ['keycreate', 'a:b:c:s0:c1,c2'],
    ]);
  });
});

describe('the label of a mount', () => {
  it.each(['tmpfs', 'devpts', 'ramfs'])('is an option of a new %s', (type) => {
    expect(labelOptions('a:b:c', type, ['mode=755'])).toEqual(['context=a:b:c']);
  });

  it.each(['proc', 'sysfs', 'mqueue', 'cgroup', 'cgroup2'])('is none of %s', (type) => {
    expect(labelOptions('a:b:c', type, [])).toEqual([]);
  });

  it('gives way to one of config.json', () => {
    expect(labelOptions('a:b:c', 'tmpfs', ['rootcontext=d:e:f'])).toEqual([]);
    expect(labelOptions(null, 'tmpfs', [])).toEqual([]);
  });
});
