import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect } from 'vitest';
import { CODES } from '../../fixtures/dns.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { namesDriver } from '../../fixtures/names.js';
import { DRIVER_COMPILER } from '../../fixtures/native-driver.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// The process itself, in a network namespace of its own with programs of others as its clients.
const { describe, it } = requires({ root: true, tools: [DRIVER_COMPILER, 'unshare', 'nsenter', 'ip', 'dig'] });

useLeakCheck();
const parent = temporaryFolder();
// the server reads resolv.conf as nobody
chmodSync(parent, 0o755);
let driver = '';
beforeAll(async () => {
  driver = await namesDriver();
});

/** With the sanitizers, the shim's file runs its modes without them. */
const file = process.env.NACELLE_SANITIZE === '1' ? 'nacelle-init' : 'nacelle-shim';
const shim = fileURLToPath(new URL(`../../../build/Release/${file}`, import.meta.url));

function scenario<T>(name: string): Promise<T> {
  const folder = join(parent, name);
  mkdirSync(folder, { mode: 0o755 });
  return runNode<T>('names', [name, driver, shim, folder], { through: ['unshare', '-n'] });
}

describe('the server of names', () => {
  it('tells members of each other, of changes at once, and nobody of other networks', async () => {
    expect(await scenario('members')).toEqual({
      digA: ['10.89.0.2'],
      digAaaa: ['fd00:1::2'],
      digReverse: ['web.'],
      digTcp: ['10.89.0.2', '10.89.0.3'],
      digOther: [],
      digOtherOwn: ['10.90.0.3'],
      digIpv6: ['10.89.0.3', '10.90.0.3'],
      cAres: ['10.89.0.2', '10.89.0.3'],
      cAresReverse: ['db'],
      cAresEmpty: 'ENODATA',
      cAresUnknown: 'ENOTFOUND',
      late: 0,
      behind: Array.from({ length: 9 }, (_, number) => `10.89.2.${number}`),
      atOnce: 100,
      results: { again: -17, changed: 0, unknown: [-2, -2] },
      afterChange: 1,
      stopped: 0,
      refused: 'ECONNREFUSED',
      refusedTcp: 'ECONNREFUSED',
      others: 1,
    });
  });

  it('asks the servers of the host for other names, as they are told of in resolv.conf now', async () => {
    const { NOERROR, NXDOMAIN, SERVFAIL, REFUSED } = CODES;
    const { random, ...result } = await scenario<Record<string, unknown> & { random: { ids: number; ports: number } }>('forwarding');
    expect(result).toEqual({
      plain: {
        own: [NOERROR, '10.89.0.2'],
        ownAskedElsewhere: 0,
        other: expect.objectContaining({ id: 0x1234, name: 'ExAmple.org', recurses: true, authoritative: false, code: NOERROR }),
      },
      internal: { code: NXDOMAIN, asked: 1 },
      unknown: { answer: [NXDOMAIN], secondAsked: 0 },
      next: [
        [NOERROR, '192.0.2.54'],
        [NOERROR, '192.0.2.54'],
        [NOERROR, '192.0.2.54'],
      ],
      allFail: [REFUSED],
      nobody: [SERVFAIL],
      forged: [NOERROR, '192.0.2.7'],
      long: { truncated: true, tcp: [NOERROR, '192.0.2.2', Buffer.from('\x08over TCP').toString('hex')] },
      overTcp: [true],
      tooLong: [true, 0],
      digFollows: ['192.0.2.2', '"over TCP"'],
      ipv6: Array(3).fill([NOERROR, '192.0.2.6']),
      closed: [SERVFAIL],
    });
    // of 65,536 and some 28,000, thirty may agree now and then
    expect(random.ids).toBeGreaterThan(25);
    expect(random.ports).toBeGreaterThan(25);
  });

  it('takes nothing that it can not read for something that is not there', async () => {
    const { NOERROR, SERVFAIL, NXDOMAIN } = CODES;
    expect(await scenario('unread')).toEqual({
      servers: {
        never: [SERVFAIL],
        readable: [NOERROR, '192.0.2.1'],
        asBefore: [NOERROR, '192.0.2.1'],
        askedOneself: 0,
        missing: [NOERROR, '192.0.2.1'],
        askedOneselfThen: 1,
      },
      member: { asBefore: [NOERROR, '10.89.0.2'], readable: [NOERROR, '10.89.0.9'], link: [NXDOMAIN] },
      folder: { asBefore: [NOERROR, '10.89.0.4'], added: [NXDOMAIN], readable: [NOERROR, '10.89.0.5'], gone: [NXDOMAIN] },
    });
  });

  it('lets no client harm another, whatever it wants', async () => {
    const meanwhile = [CODES.NOERROR, 200];
    expect(await scenario('bounds')).toEqual({
      flooded: { codes: [CODES.SERVFAIL], meanwhile, most: true },
      connections: { meanwhile, othersAnswer: CODES.NOERROR, lost: true },
      unread: { meanwhile, dropped: true },
      pipelined: { inOrder: true, count: 2000 },
      idle: { closed: true, halfClosed: 200 },
      mixed: [
        [2, true],
        [1, false],
      ],
    });
  });

  it('has no rights, serves other network namespaces, and ends with the shim', async () => {
    const nobody = '4294967294\t4294967294\t4294967294\t4294967294';
    expect(await scenario('confined')).toEqual({
      status: {
        ...{ Uid: nobody, Gid: nobody, Groups: ' ', CapPrm: '0000000000000000', CapEff: '0000000000000000' },
        ...{ NoNewPrivs: '1', Seccomp: '2', Name: 'nacelle-names' },
      },
      inside: '10.89.0.2',
      outside: expect.stringContaining('dig ends'),
      own: true,
      dumpable: false,
      gone: true,
    });
  });
});
