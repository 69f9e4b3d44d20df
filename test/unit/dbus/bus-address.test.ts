import { describe, expect, it } from 'vitest';
import { afterAuth } from '../../../lib/dbus/auth.js';
import { unixSocketsIn } from '../../../lib/dbus/bus-address.js';

describe('the address of a bus', () => {
  it.each([
    ['unix:path=/run/user/1000/bus', ['/run/user/1000/bus']],
    ['unix:abstract=/tmp/dbus-1,guid=0a', ['\0/tmp/dbus-1']],
    ['tcp:host=a,port=1;unix:path=/a%20b%3b;unix:runtime=yes', ['/a b;', '/run/u/bus']],
    ['unix:path=/%c3%a9=1', ['/é=1']],
    ['unix:tmpdir=/tmp', []],
    ['autolaunch:', []],
    ['', []],
    [';', []],
  ])('%s', (address, sockets) => expect(unixSocketsIn(address, '/run/u')).toEqual(sockets));

  it('of the runtime folder is none without that', () => expect(unixSocketsIn('unix:runtime=yes', null)).toEqual([]));

  it.each(['/run/bus', ':path=/a', 'unix:path', 'unix:=a', 'unix:path=/a%2', 'unix:path=%zz'])('refuses %s', (address) => {
    expect(() => unixSocketsIn(address, null)).toThrow(/^D-Bus: '/);
  });
});

describe('what comes before the first message', () => {
  it('passes over the question about the user, which was answered ahead', () => {
    expect(afterAuth(Buffer.from('DATA\r\nOK 1234\r\nl'))?.toString()).toBe('l');
    expect(afterAuth(Buffer.from('DATA\r\nOK'))).toBeNull();
    expect(() => afterAuth(Buffer.from('DATA\r\nREJECTED EXTERNAL\r\n'))).toThrow('the bus refuses this user: REJECTED EXTERNAL');
  });

  it('waits for the end of the line, and leaves what follows', () => {
    expect(afterAuth(Buffer.from('OK 1234'))).toBeNull();
    expect(afterAuth(Buffer.from('OK 1234\r\nl\x01'))?.toString()).toBe('l\x01');
  });

  it.each([
    ['REJECTED EXTERNAL\r\n', 'refuses this user: REJECTED EXTERNAL'],
    ['OKAY\r\n', 'refuses this user'],
    ['x'.repeat(1025), 'has no end'],
  ])('%j', (line, problem) => {
    expect(() => afterAuth(Buffer.from(line))).toThrow(problem);
  });
});
