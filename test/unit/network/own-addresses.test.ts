import { describe, expect, it } from 'vitest';
import { parseIfInet6, parseLocal } from '../../../lib/network/own-addresses.js';

describe('the addresses of this machine', () => {
  it('of IPv4 are the leaves of the tries that are local hosts, each once', () => {
    const text = `Main:
  +-- 0.0.0.0/0 2 0 2
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.1
              /30 universe UNICAST
              /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
           |-- 127.0.0.1
              /32 host LOCAL
`;
    expect(parseLocal(text).map(({ text: one }) => one)).toEqual(['127.0.0.1', '192.0.2.1']);
    expect(parseLocal('')).toEqual([]);
  });

  it('of IPv6 are those of all links', () => {
    const text = `fe800000000000000000000000000001 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
`;
    expect(parseIfInet6(text).map(({ text: one }) => one)).toEqual(['fe80::1', '::1']);
    expect(parseIfInet6('')).toEqual([]);
  });
});
