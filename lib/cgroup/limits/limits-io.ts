import { UnsupportedError } from '../../errors.js';
import type { ParsedLimits } from '../../options/limits.js';
import { type Place, requireFile, versionOf, type Write } from './group-write.js';

/** The controller of block I/O, which is `blkio` on v1. */
function controllerOf(limit: string, { layout }: Place): 'blkio' | 'io' {
  const controller = layout.controllers.has('blkio') ? 'blkio' : 'io';
  versionOf(controller, limit, layout);
  return controller;
}

/** @throws UnsupportedError */
export function ioWrites(limits: ParsedLimits, place: Place): Write[] {
  return [...weightWrites(limits, place), ...maxWrites(limits, place)];
}

/** BFQ has weights up to 1,000, also with the default of 100: the range above the default is compressed, as systemd does. */
export function bfqWeight(weight: number): number {
  return weight <= 100 ? weight : 100 + Math.round(((weight - 100) * 900) / 9900);
}

/** A weight for CFQ, before Linux 5.0: 10 to 1,000, with the default of 500. */
export function cfqWeight(weight: number): number {
  return Math.min(1000, Math.max(10, weight * 5));
}

/** On v2 there may be two files for weights, each for some disks: both get the weight. */
function weightWrites({ ioWeight }: ParsedLimits, place: Place): Write[] {
  if (ioWeight === undefined) return [];
  const controller = controllerOf('ioWeight', place);
  const candidates: Write[] =
    controller === 'io'
      ? [
          { controller, file: 'io.weight', value: `default ${ioWeight}` },
          { controller, file: 'io.bfq.weight', value: String(bfqWeight(ioWeight)) },
        ]
      : [
          { controller, file: 'blkio.bfq.weight', value: String(bfqWeight(ioWeight)) },
          { controller, file: 'blkio.weight', value: String(cfqWeight(ioWeight)) },
        ];
  const writes = candidates.filter(({ file }) => place.files.has(controller, file));
  if (writes.length > 0) return writes;
  const names = candidates.map(({ file }) => file).join(' or ');
  throw new UnsupportedError(
    'limit ioWeight',
    `this kernel has no ${names}`,
    'Load BFQ: modprobe bfq, and set it as the scheduler of the disk.',
  );
}

/** The writes for `ioMax`, in which each device is already its numbers, 'MAJOR:MINOR'. */
function maxWrites({ ioMax }: ParsedLimits, place: Place): Write[] {
  if (ioMax === undefined || ioMax.length === 0) return [];
  const controller = controllerOf('ioMax', place);
  const fix = 'Use a kernel with CONFIG_BLK_DEV_THROTTLING.';
  if (controller === 'io') {
    const file = requireFile('io', 'io.max', 'ioMax', place, fix);
    return ioMax.map(({ device, ...rates }) => ({ controller, file, value: [device, ...v2Rates(rates)].join(' ') }));
  }
  return ioMax.flatMap(({ device, ...rates }) =>
    V1_FILES.flatMap(([name, file]): Write[] => {
      const rate = rates[name];
      if (rate === undefined) return [];
      return [{ controller, file: requireFile('blkio', file, 'ioMax', place, fix), value: `${device} ${rate}` }];
    }),
  );
}

const V1_FILES = [
  ['readBps', 'blkio.throttle.read_bps_device'],
  ['writeBps', 'blkio.throttle.write_bps_device'],
  ['readIops', 'blkio.throttle.read_iops_device'],
  ['writeIops', 'blkio.throttle.write_iops_device'],
] as const;

const V2_KEYS = [
  ['readBps', 'rbps'],
  ['writeBps', 'wbps'],
  ['readIops', 'riops'],
  ['writeIops', 'wiops'],
] as const;

type Rates = Partial<Record<(typeof V2_KEYS)[number][0], number | undefined>>;

function v2Rates(rates: Rates): string[] {
  return V2_KEYS.flatMap(([name, key]) => (rates[name] === undefined ? [] : [`${key}=${rates[name] === 0 ? 'max' : rates[name]}`]));
}
