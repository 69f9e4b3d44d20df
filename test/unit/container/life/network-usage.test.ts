import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseNetDev } from '../../../../lib/container/life/network-usage.js';

const HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const LOOPBACK =
  '    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n';

it('reads what each link has counted, but for the loopback', () => {
  const eth0 =
    '  eth0:12345678901      7    1    2    3     4          5         6     1234      9   10   11   12    13      14         15\n';
  expect(parseNetDev(HEAD + LOOPBACK + eth0)).toEqual({
    eth0: { rxBytes: 12345678901, rxPackets: 7, rxErrors: 1, rxDropped: 2, txBytes: 1234, txPackets: 9, txErrors: 10, txDropped: 11 },
  });
  expect(parseNetDev(HEAD + LOOPBACK)).toEqual({});
  // a process that has ended has no links any more
  expect(parseNetDev('')).toEqual({});
});

it('reads all names that links can have, and all counters that numbers can hold', () => {
  // dev_valid_name() of the kernel
  const name = fc.stringMatching(/^[!-.0-9;-~]{1,15}$/).filter((text) => !['.', '..', 'lo'].includes(text));
  const counters = fc.array(fc.maxSafeNat(), { minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, counters), { selector: ([text]) => text }), (links) => {
      // as dev_seq_printf_stats() prints it: no space where a number is as wide as its column
      const lines = links.map(([text, [first, ...others]]) => `${text.padStart(6)}:${String(first).padStart(8)} ${others.join(' ')}\n`);
      const read = parseNetDev(HEAD + LOOPBACK + lines.join(''));
      expect(Object.keys(read).sort()).toEqual(links.map(([text]) => text).sort());
      for (const [text, [rxBytes, rxPackets, rxErrors, rxDropped, , , , , txBytes, txPackets, txErrors, txDropped]] of links)
        expect(Object.getOwnPropertyDescriptor(read, text)?.value).toEqual({
          ...{ rxBytes, rxPackets, rxErrors, rxDropped },
          ...{ txBytes, txPackets, txErrors, txDropped },
        });
    }),
  );
});
