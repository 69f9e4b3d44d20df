import { attack } from '../attack.js';
import { opens, script } from '../inside.js';

const CORE_PATTERN = '/proc/sys/kernel/core_pattern';

export const proc = [
  attack({
    attack: "opens core_pattern, by which the host's root runs a program",
    source: 'CVE-2022-0492',
    protection: '/proc/sys is read-only',
    tries: script(opens(CORE_PATTERN)),
    on: [{}, 'refused'],
    off: [{ readonlyPaths: [] }, 'opened'],
  }),
  attack({
    attack: 'makes /proc/sys writable again, then opens core_pattern',
    source: 'remount of a read-only path',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    tries: script(opens(CORE_PATTERN, 'mount -o remount,bind,rw /proc/sys')),
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'opened'],
  }),
  attack({
    attack: 'mounts another proc, without masks, and opens core_pattern there',
    source: 'new proc',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    tries: script(opens('/tmp/sys/kernel/core_pattern', 'mount -t proc proc /tmp')),
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'opened'],
  }),
  attack({
    attack: 'takes a mask away, and reads what is below',
    source: 'umount of a mask',
    protection: 'no CAP_SYS_ADMIN, and no umount2(2) in the filter',
    tries: script('umount /proc/timer_list 2>/dev/null; head -c 5 /proc/timer_list | wc -c'),
    on: [{}, '0'],
    off: [{ capAdd: ['SYS_ADMIN'] }, '5'],
  }),
];
