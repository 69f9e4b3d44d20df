import type { Size } from '../options/size.js';
import type { Encoding, RunResult } from '../process/options/process-types.js';
import type { Waitable } from './exec/wait-for.js';
import { connect } from './life/connect.js';
import { untilHealthy } from './life/health.js';
import type { Life } from './life/life.js';
import { follow } from './life/output.js';

/** What is asked by what a caller sees. */
interface Asked<E extends Encoding> {
  exec(command: readonly string[], options: { cancelSignal: AbortSignal; maxBuffer: Size }): Promise<RunResult>;
  wait(options: { cancelSignal: AbortSignal }): Promise<RunResult<E>>;
}

/** What is asked of a container while something is waited for. */
export function waitable<E extends Encoding>(life: Life<E>, container: Asked<E>): Waitable {
  return {
    id: life.id,
    follow: (until) => follow(life, until),
    tryCommand: (command, cancelSignal) => container.exec(command, { cancelSignal, maxBuffer: '64k' }),
    connect: (to) => connect(life, to),
    healthy: (signal, see) => untilHealthy(life, signal, see),
    ended: (cancelSignal) => container.wait({ cancelSignal }),
  };
}
