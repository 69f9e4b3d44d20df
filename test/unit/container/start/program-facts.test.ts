import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { imageVolumes, programUser } from '../../../../lib/container/start/program-facts.js';

const config = { user: 'app', volumes: ['/data'] };
const whole = [{ inside: 0, outside: 100_000, count: 65_536 }];
const auto = { kind: 'given', fd: 3, uid: whole, gid: whole, back: null } as const;
const single = [{ inside: 0, outside: 1000, count: 1 }];
const one = { kind: 'identity', uid: single, gid: single } as const;
const stranger = (more = {}) => parseRunOptions({ image: 'host', command: ['true'], profile: 'untrusted', ...more });

describe('the user of a program', () => {
  it.each([
    ['of the image, by a name that its files may give to root', {}, config, auto, { user: 'app', notRoot: 65_534 }],
    ['of the caller, by such a name', { user: 'app' }, {}, auto, { user: 'app', notRoot: 65_534 }],
    ['of an image that says none', {}, {}, auto, { user: '65534:65534', notRoot: 65_534 }],
    ['of an image that says root’s group', {}, { user: '1000:0' }, auto, { user: '65534:65534', notRoot: 65_534 }],
    ['root, where the caller asks for that', { user: '0' }, config, auto, { user: '0' }],
    ['root’s group, where the caller asks for that', { user: '1000:0' }, config, auto, { user: '1000:0' }],
    ['root, where nobody else is mapped', {}, {}, one, { user: '0' }],
  ])('under a profile: %s', (_, more, image, users, expected) => {
    expect(programUser(stranger(more), image, users)).toEqual(expected);
  });

  it('is what the image says where there is no profile', () => {
    expect(programUser(parseRunOptions({ image: 'host', command: ['true'] }), { user: '' }, auto)).toEqual({ user: '0' });
  });
});

describe('volumes of the image', () => {
  it('are no places to write where a profile has a root that is read-only', () => {
    expect(imageVolumes(stranger(), config)).toEqual([]);
    expect(imageVolumes(stranger({ readOnly: false }), config)).toEqual(['/data']);
    expect(imageVolumes(parseRunOptions({ image: 'host', command: ['true'], readOnly: true }), config)).toEqual(['/data']);
  });
});
