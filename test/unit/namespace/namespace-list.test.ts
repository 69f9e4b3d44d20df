import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupByNamespace, parseNamespaceLink, parsePasswd } from '../../../lib/namespace/namespace-list.js';

describe('namespaces of processes', () => {
  const processes = [
    { pid: 30, inodes: new Map([['net', 9n] as const, ['uts', 5n] as const]) },
    { pid: 7, inodes: new Map([['net', 9n] as const, ['uts', 4n] as const]) },
  ];

  it('are counted, with the lowest pid, by inode', () => {
    expect(groupByNamespace(processes)).toEqual([
      { inode: 4n, type: 'uts', processes: 1, pid: 7 },
      { inode: 5n, type: 'uts', processes: 1, pid: 30 },
      { inode: 9n, type: 'net', processes: 2, pid: 7 },
    ]);
  });

  it('can be one type alone', () => {
    expect(groupByNamespace(processes, 'net').map(({ type }) => type)).toEqual(['net']);
  });

  it('links', () => {
    expect(parseNamespaceLink('net:[4026531840]')).toEqual({ type: 'net', inode: 4026531840n });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n }), (inode) => {
        expect(parseNamespaceLink(`pid:[${inode}]`)?.inode).toBe(inode);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseNamespaceLink(text)));
    expect(parseNamespaceLink('/run/netns/x')).toBeNull();
  });
});

it('names of users: the first line of a uid counts, odd lines do not', () => {
  const names = parsePasswd('root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n# no\nbad:x:abc:0::/:\nwww:x:33:33::/:\n');
  expect([...names]).toEqual([
    [0, 'root'],
    [33, 'www'],
  ]);
});
