import { CniError } from '../../errors.js';
import { findPlugin } from '../../host/cni-feature.js';
import { hostEnvironment } from '../../host/environment.js';
import { start } from '../../native/shim.js';
import { planOf, Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { execute } from '../../process/execute.js';
import { normaliseProcess } from '../../process/options/parsed-process.js';
import type { RunResult } from '../../process/options/process-types.js';
import { noGroup } from '../../process/program.js';
import { programSteps } from '../../process/program-steps.js';
import { noLimits } from '../../process/result.js';
import { planHostStreams } from '../../process/streams/stream-steps.js';
import { readErrorResult } from './cni-result.js';
import type { CniCommand } from './request.js';

/** How a plugin is run. */
export interface PluginCall {
  readonly type: string;
  readonly command: CniCommand;
  /** The folders that are searched. */
  readonly path: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly request: object;
  /** ms. */
  readonly timeout: number;
  /** Its abort kills the plugin. */
  readonly signal?: AbortSignal | null;
  /** The network namespace to run it in, by a descriptor. Default: that of this process. */
  readonly within?: number | null;
}

/** Bytes: a result has some hundred. */
const MOST_OUTPUT = 4 * 1024 * 1024;
/** Characters of what is told of standard error. */
const TOLD = 500;

/**
 * Runs a plugin of the host with this process's environment, and waits for its end. The process ends
 * with this one, however that dies. What the plugin starts and leaves, as a server, is left alone.
 *
 * @returns what it printed, read as JSON; `null` when it printed nothing
 * @throws CniError; the signal's reason
 */
export async function runPlugin(call: PluginCall): Promise<unknown> {
  const file = findPlugin(call.type, call.path);
  if (file === null) {
    throw new CniError(`${call.command} by the plugin ${call.type}: it is in none of ${call.path.join(', ')}`, {
      code: 'ERR_CNI_ENDED',
      plugin: call.type,
      path: '',
      command: call.command,
    });
  }
  call.signal?.throwIfAborted();
  const result = await runFile(file, call);
  call.signal?.throwIfAborted();
  return outcomeOf(result, file, call);
}

async function runFile(file: string, { env, request, timeout, signal = null, within = null }: PluginCall): Promise<RunResult> {
  const options = normaliseProcess({
    ...{ env, extendEnv: true, input: JSON.stringify(request), timeout, maxBuffer: MOST_OUTPUT },
    ...(signal === null ? {} : { cancelSignal: signal }),
  });
  const command = [file];
  return execute<'utf8'>(options, command, async (program) => {
    const slots = new Slots();
    const { ends } = await program.open({ isConfined: false });
    const streams = planHostStreams(ends, slots);
    const steps = programSteps({ options, command, env: hostEnvironment(options), streams, user: null, givePipes: false });
    const enter: Step[] = within === null ? [] : [{ op: 'setns', ns: slots.give(within), type: 'net' }];
    const plan = planOf({
      stages: [{ flags: 0, steps: [...streams.open, ...enter, ...steps] }],
      ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    });
    const facts = { id: '', command, processOne: false, limits: noLimits, notEnforced: [], readGroup: noGroup };
    await program.sent(facts, start(plan, slots.descriptors, options.cancelSignal));
    program.begin();
    return program;
  });
}

/** What has come of a plugin. Pure. @throws CniError */
export function outcomeOf(
  { status, reason, exitCode, stdout, stderr }: Pick<RunResult, 'status' | 'reason' | 'exitCode' | 'stdout' | 'stderr'>,
  file: string,
  { type, command }: Pick<PluginCall, 'type' | 'command'>,
): unknown {
  const said = stderr.trim().slice(0, TOLD);
  const of = { plugin: type, path: file, command, details: said || null };
  const failed = (problem: string): string => `${command} by the plugin ${type} (${file}): ${problem}`;
  if (status === 'timeout') throw new CniError(failed(`it did not end: ${reason}`), { ...of, code: 'ERR_CNI_TIMEOUT' });
  if (status === 'output-limit') throw new CniError(failed(`it printed more than a result: ${reason}`), { ...of, code: 'ERR_CNI_OUTPUT' });
  const printed = parsed(stdout);
  if (exitCode === 0) {
    if (printed !== undefined) return printed;
    const problem = `what it printed is no JSON: ${JSON.stringify(stdout.slice(0, TOLD))}`;
    throw new CniError(failed(problem), { ...of, code: 'ERR_CNI_OUTPUT' });
  }
  const refusal = readErrorResult(printed);
  if (refusal === null) throw new CniError(failed(said === '' ? reason : `${reason}: ${said}`), { ...of, code: 'ERR_CNI_ENDED' });
  const { code, msg, details } = refusal;
  const problem = `${msg}${details === null ? '' : `: ${details}`} (code ${code})`;
  throw new CniError(failed(problem), { ...of, code: 'ERR_CNI_REFUSED', pluginCode: code, details });
}

/** `null`: nothing was printed; `undefined`: it is no JSON. */
function parsed(text: string): unknown {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
