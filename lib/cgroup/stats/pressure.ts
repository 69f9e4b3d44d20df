import type { Pressure, PressureOf, PressureShare } from '../../process/options/process-types.js';
import { parseNested } from '../files/interface-file-formats.js';

/** Pressure stall information of a group (Linux 4.20, CONFIG_PSI); `null` where there is none at all. */
export function parsePressure(cpu: string | null, memory: string | null, io: string | null): Pressure | null {
  const pressure = { cpu: of(cpu), memory: of(memory), io: of(io) };
  return pressure.cpu || pressure.memory || pressure.io ? pressure : null;
}

function of(text: string | null): PressureOf | null {
  if (text === null) return null;
  const lines = parseNested(text);
  const some = share(lines.get('some'));
  return some ? { some, full: share(lines.get('full')) } : null;
}

/** 'avg10=0.00 avg60=0.00 avg300=0.00 total=0': percent, and µs. */
function share(values: ReadonlyMap<string, number> | undefined): PressureShare | null {
  const [avg10, avg60, avg300, total] = ['avg10', 'avg60', 'avg300', 'total'].map((key) => values?.get(key));
  if (avg10 === undefined || avg60 === undefined || avg300 === undefined || total === undefined) return null;
  return { avg10, avg60, avg300, totalMs: total / 1000 };
}
