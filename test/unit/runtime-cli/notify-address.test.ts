import { describe, expect, it } from 'vitest';
import { notifyAddress } from '../../../lib/runtime-cli/notify-socket.js';

describe('the address in NOTIFY_SOCKET', () => {
  it.each([
    ['a path', '/run/systemd/notify'],
    ['the longest path', `/${'x'.repeat(106)}`],
    ['the longest path of longer characters', `/${'é'.repeat(53)}`],
    ['a name in no folder', '@x'],
    ['the longest name', `@${'x'.repeat(106)}`],
  ])('is %s', (_, address) => {
    expect(notifyAddress({ NOTIFY_SOCKET: address })).toBe(address);
  });

  it.each([
    ['absent', {}],
    ['undefined', { NOTIFY_SOCKET: undefined }],
    ['empty', { NOTIFY_SOCKET: '' }],
  ])('is nobody’s when it is %s', (_, env) => {
    expect(notifyAddress(env)).toBeNull();
  });

  it.each([
    ['a path that is too long', `/${'x'.repeat(107)}`],
    ['a path that is too long in bytes alone', `/${'é'.repeat(54)}`],
    ['a name that is too long', `@${'x'.repeat(107)}`],
    ['no name', '@'],
    ['no file', '/'],
    ['a relative path', 'notify.sock'],
    ['another kind of socket', 'vsock:2:1234'],
  ])('is refused when it is %s', (_, address) => {
    const words = `NOTIFY_SOCKET has ${JSON.stringify(address)}`;
    expect(() => notifyAddress({ NOTIFY_SOCKET: address })).toThrow(expect.objectContaining({ message: expect.stringContaining(words) }));
  });
});
