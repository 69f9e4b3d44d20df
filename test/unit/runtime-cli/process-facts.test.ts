import { describe, expect, it } from 'vitest';
import { keepsGroups } from '../../../lib/runtime-cli/config/process-facts.js';

describe('the annotation run.oci.keep_original_groups', () => {
  it.each([
    ['1', true],
    ['0', false],
    [undefined, false],
  ])('of the value %j keeps groups: %s', (value, keeps) => {
    const annotations = value === undefined ? {} : { 'run.oci.keep_original_groups': value };
    expect(keepsGroups({ annotations })).toBe(keeps);
  });
});
