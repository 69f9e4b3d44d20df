import { execFileSync } from 'node:child_process';
import { constants } from 'node:os';
import { expect } from 'vitest';
import { DRIVER_COMPILER, nativeDriver } from '../fixtures/native-driver.js';
import { requires } from '../fixtures/requires.js';

// The filters of our own confined processes: test/native/filter_driver.cc.
const { describe, it } = requires({ tools: [DRIVER_COMPILER] });
const { SIGSYS } = constants.signals;

describe('SyscallFilter', () => {
  it('allows what it is told, kills for all else, and makes no call of its own once it is loaded', async () => {
    const driver = await nativeDriver('filter_driver', []);
    // each memory that is given back by free(3) is a call of munmap(2) with this, which is chance else
    const env = { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.mmap_threshold=1' };
    const said = execFileSync(driver, { encoding: 'utf8', env });
    expect(
      Object.fromEntries(
        said
          .trim()
          .split('\n')
          .map((line) => line.split(': ')),
      ),
    ).toEqual({
      'no call': '0',
      'another call': `${SIGSYS}`,
      'an allowed call': '0',
      'the first value': '0',
      'the last value': '0',
      'another value': `${SIGSYS}`,
      'the first value and the other argument': '0',
      'the last value and the other argument': '0',
      'another value and the other argument': `${SIGSYS}`,
      'a value and a wrong other argument': `${SIGSYS}`,
      'none of the bits': '0',
      'one of the bits': `${SIGSYS}`,
      'too long': `-${constants.errno.E2BIG}`,
    });
  });
});
