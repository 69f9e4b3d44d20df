import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Where } from '../../../lib/native/protocol.js';
import { errnoName, errnoWords, stepError } from '../../../lib/native/system-errors.js';
import { planOf } from '../../../lib/plan/plan.js';
import type { Step } from '../../../lib/plan/steps.js';

const headers = ['/usr/include/asm-generic/errno-base.h', '/usr/include/asm-generic/errno.h'];

describe('names of errors', () => {
  it.skipIf(!headers.every((path) => existsSync(path)))("are the kernel's", () => {
    const text = headers.map((path) => readFileSync(path, 'utf8')).join('\n');
    const names = new Map([...text.matchAll(/^#define\s+(E\w+)\s+(\d+)/gm)].map(([, name = '', number]) => [Number(number), name]));
    expect(names.size).toBeGreaterThan(100);
    const told = [...names.keys()].map((errno) => [errno, errnoName(errno)] as const).filter(([, name]) => !name.startsWith('errno '));
    expect(new Map(told)).toEqual(new Map([...names].filter(([errno]) => told.some(([known]) => known === errno))));
    expect(told.map(([errno]) => errno)).toEqual(expect.arrayContaining(Object.values(constants.errno)));
  });

  it('of what has none are its number', () => {
    expect([errnoName(9999), errnoWords(9999)]).toEqual(['errno 9999', '']);
  });

  it('have words that fit every descriptor', () => {
    expect(errnoWords(constants.errno.EOPNOTSUPP)).toBe('operation not supported');
  });
});

describe('the failure of a step that stands for a list', () => {
  const make = (what: string): Step => ({
    op: 'netlink',
    host: true,
    socket: 1,
    what,
    message: new Uint8Array(),
    patch: -1,
    patch_offset: 0,
  });
  const steps = [make('make eth0'), make('make eth0, the link to the network: shop')];
  const plan = planOf({ prepare: [{ op: 'run_steps', host: true, first: 7, last: 7, steps }] });
  const told = (text: string): unknown[] => {
    const { message, step, syscall } = stepError({ where: Where.prepare, index: 0, errno: constants.errno.ENODEV, text }, { plan });
    return [message, step, syscall];
  };

  it('is that of the one in the list that has failed', () => {
    expect(told('make eth0, the link to the network: shop')).toEqual([
      'make eth0, the link to the network: shop: ENODEV (no such device)',
      'netlink',
      'sendmsg',
    ]);
    expect(told('make eth0: it is no bridge')).toEqual(['make eth0: ENODEV (no such device: it is no bridge)', 'netlink', 'sendmsg']);
  });

  it('is told in its own words where it is of another list, which was put there since', () => {
    const [message, step] = told('make eth1');
    expect([message, step]).toEqual(['run the steps that were kept: ENODEV (no such device: make eth1)', 'run_steps']);
  });
});
