import type { Pressure, PressureOf, PressureShare } from '../../process/options/process-types.js';

/** Pressure stall information of a group (Linux 4.20, CONFIG_PSI); `null` where there is none at all. */
export function parsePressure(cpu: string | null, memory: string | null, io: string | null): Pressure | null {
  const pressure = { cpu: of(cpu), memory: of(memory), io: of(io) };
  return pressure.cpu || pressure.memory || pressure.io ? pressure : null;
}

function of(text: string | null): PressureOf | null {
  if (text === null) return null;
  const some = share(SOME.exec(text));
  return some ? { some, full: share(FULL.exec(text)) } : null;
}

/** 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0': percent, and µs. */
const lineOf = (who: string): RegExp => new RegExp(`^${who} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)`, 'm');
const [SOME, FULL] = [lineOf('some'), lineOf('full')];

function share(line: RegExpExecArray | null): PressureShare | null {
  if (line === null) return null;
  return { avg10: Number(line[1]), avg60: Number(line[2]), avg300: Number(line[3]), totalMs: Number(line[4]) / 1000 };
}
