import { attack, rootOnly } from '../attack.js';
import { opens, script } from '../inside.js';

const NO_FILE = 'not every kernel has this file; test/unit/container/plan looks at the plan';

const CORE_PATTERN = '/proc/sys/kernel/core_pattern';

export const proc = [
  attack({
    attack: "opens core_pattern, by which the host's root runs a program",
    source: 'CVE-2022-0492',
    protection: '/proc/sys is read-only',
    as: rootOnly("the host's is for root"),
    tries: script(opens(CORE_PATTERN)),
    on: [{}, 'refused'],
    off: [{ readonlyPaths: [] }, 'opened'],
  }),
  attack({
    attack: 'makes /proc/sys writable again, then opens core_pattern',
    source: 'remount of a read-only path',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    as: rootOnly("the host's is for root"),
    tries: script(opens(CORE_PATTERN, 'mount -o remount,bind,rw /proc/sys')),
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'opened'],
  }),
  attack({
    attack: 'mounts another proc, without masks, and opens core_pattern there',
    source: 'new proc',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    as: rootOnly('no proc can be mounted without its masks'),
    tries: script(opens('/tmp/sys/kernel/core_pattern', 'mount -t proc proc /tmp')),
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'opened'],
  }),
  attack({
    attack: 'takes a mask away, and reads what is below',
    source: 'umount of a mask',
    protection: 'no CAP_SYS_ADMIN, and no umount2(2) in the filter',
    as: rootOnly("the file is the host's root's"),
    tries: script('umount /proc/timer_list 2>/dev/null; head -c 5 /proc/timer_list | wc -c'),
    on: [{}, '0'],
    off: [{ capAdd: ['SYS_ADMIN'] }, '5'],
  }),
  ...['/proc/keys', '/proc/interrupts', '/proc/timer_list'].map((path) =>
    attack({
      attack: `reads ${path}, which tells of the whole machine`,
      source: "docker's masked paths",
      protection: 'a mask',
      ...(path === '/proc/timer_list' ? { as: rootOnly("the file is the host's root's") } : {}),
      tries: script(`head -c 5 ${path} | wc -c`),
      on: [{}, '0'],
      off: [{ maskedPaths: [] }, '5'],
    }),
  ),
  ...['slabinfo', 'vmallocinfo', 'pagetypeinfo', 'kpagecount', 'kpageflags', 'kpagecgroup'].map((name) =>
    attack({
      attack: `as root of the host: reads /proc/${name}, which tells where things lie in the machine's memory`,
      source: 'grooming of the kernel’s heap, and rowhammer',
      protection: 'a mask',
      as: rootOnly("the file is the host's root's"),
      tries: script(`dd if=/proc/${name} bs=8 count=1 2>/dev/null | wc -c`),
      on: [{}, '0'],
      off: [{ maskedPaths: [] }, '8'],
    }),
  ),
  attack({
    attack: 'lists /sys/firmware',
    source: "docker's masked paths",
    protection: 'a mask',
    tries: script('ls /sys/firmware | grep -q . && echo seen || echo nothing'),
    on: [{}, 'nothing'],
    off: [{ maskedPaths: [] }, 'seen'],
  }),
  attack({
    attack: 'opens /proc/sysrq-trigger, which restarts the machine',
    source: "docker's read-only paths",
    protection: 'a read-only mount',
    tries: script(opens('/proc/sysrq-trigger')),
    on: [{}, 'refused'],
    off: { why: NO_FILE },
  }),
  attack({
    attack: "reads /proc/kcore, which is the kernel's memory",
    source: "docker's masked paths",
    protection: 'a mask, and no CAP_SYS_RAWIO',
    tries: script('head -c 1 /proc/kcore 2>/dev/null | wc -c'),
    on: [{}, '0'],
    off: { why: NO_FILE },
  }),
];
