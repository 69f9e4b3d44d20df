import { describe, expect, it } from 'vitest';
import { keepsGroups } from '../../../lib/runtime-cli/config/process-facts.js';

describe('the annotation run.oci.keep_original_groups', () => {
  it.each([
    ['1', true, true],
    ['1', false, false],
    ['0', true, false],
    [undefined, true, false],
  ])('of the value %j, of whom root of the machine does not call: %s, keeps groups: %s', (value, isConfined, keeps) => {
    const annotations = value === undefined ? {} : { 'run.oci.keep_original_groups': value };
    expect(keepsGroups({ annotations }, { isConfined })).toBe(keeps);
  });
});
