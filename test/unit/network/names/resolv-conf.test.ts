import { describe, expect, it } from 'vitest';
import { ownResolvConf } from '../../../../lib/network/names/resolv-conf.js';

const host =
  'domain old.example\nsearch a.example b.example \nnameserver 10.0.0.1\noptions edns0\t timeout:1\noptions rotate\n# search no\n';

describe('a resolv.conf with the server of names', () => {
  it("has the host's search list and options, and asks for a name without a dot as it is", () => {
    expect(ownResolvConf(host, { forwards: true })).toBe(
      'nameserver 127.0.0.11\nsearch a.example b.example\noptions edns0 timeout:1 rotate ndots:0\n',
    );
    expect(ownResolvConf('domain old.example\noptions ndots:2', { forwards: true })).toBe(
      'nameserver 127.0.0.11\nsearch old.example\noptions ndots:2\n',
    );
  });

  it('has nothing of the host where nothing is asked for elsewhere, or the host has nothing', () => {
    expect(ownResolvConf(host, { forwards: false })).toBe('nameserver 127.0.0.11\noptions ndots:0\n');
    expect(ownResolvConf('', { forwards: true })).toBe('nameserver 127.0.0.11\noptions ndots:0\n');
    expect(ownResolvConf('searches x\nsearch\n', { forwards: true })).toBe('nameserver 127.0.0.11\noptions ndots:0\n');
  });
});
