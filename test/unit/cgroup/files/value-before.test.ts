import { expect, it } from 'vitest';
import { previousValue } from '../../../../lib/cgroup/files/value-before.js';

it.each([
  ['pids.max', '5', '20\n', '20'],
  ['cpuset.cpus', '0', '\n', null],
  ['cpu.max', '1000 5000', 'max 100000\n', 'max 100000'],
  ['io.weight', 'default 5', 'default 100\n8:0 200\n', 'default 100'],
  ['io.max', '8:0 rbps=5', '8:16 rbps=1 wbps=max riops=max wiops=max\n', '8:0 rbps=max wbps=max riops=max wiops=max'],
  ['io.max', '8:0 rbps=5', '8:0 rbps=1 wbps=max riops=max wiops=max\n', '8:0 rbps=1 wbps=max riops=max wiops=max'],
  ['blkio.throttle.read_bps_device', '8:0 5', '', '8:0 0'],
  ['net_prio.ifpriomap', 'eth0 5', 'lo 0\neth0 2\n', 'eth0 2'],
  ['devices.deny', 'a', null, null],
])('before %s = %s it was as its text says', (file, value, text, expected) => {
  expect(previousValue(file, value, text)).toBe(expected);
});
