import type { BuildInstruction, HealthcheckStepOptions, StepOf } from './step-types.js';
import { isPlainText, writtenFlag, writtenWord } from './written-words.js';

/** A Dockerfile that is written from steps. */
export interface WrittenSteps {
  readonly content: string;
  /** Of each step the line that it begins in, from 1. */
  readonly lines: readonly number[];
}

/** Writes the Dockerfile that steps, which are checked, stand for: so they mean what it means, and are the same to the cache. */
export function stepsDockerfile(from: string, steps: readonly BuildInstruction[]): WrittenSteps {
  const written = [`FROM ${from}`];
  const lines: number[] = [];
  let at = 2;
  for (const step of steps) {
    const text = writtenStep(step);
    written.push(text);
    lines.push(at);
    at += text.split('\n').length;
  }
  return { content: `${written.join('\n')}\n`, lines };
}

/** A step as an instruction of a Dockerfile. */
export function writtenStep(step: BuildInstruction): string {
  switch (step.kind) {
    case 'arg':
      return `ARG ${step.name}${step.value === undefined ? '' : `=${writtenWord(step.value)}`}`;
    case 'env':
      return `ENV ${pairs(step.variables)}`;
    case 'label':
      return `LABEL ${pairs(step.labels)}`;
    case 'run':
      return writtenRun(step);
    case 'copy':
    case 'add':
      return writtenTransfer(step);
    case 'workdir':
      return `WORKDIR ${writtenWord(step.path)}`;
    case 'user':
      return `USER ${writtenWord(step.user)}`;
    case 'cmd':
    case 'entrypoint':
      return `${step.kind.toUpperCase()} ${command(step.command)}`;
    case 'shell':
      return `SHELL ${JSON.stringify(step.words)}`;
    case 'expose':
      return `EXPOSE ${step.ports.join(' ')}`;
    case 'volume':
      return `VOLUME ${JSON.stringify(step.paths.map(writtenWord))}`;
    case 'stopsignal':
      return `STOPSIGNAL ${writtenWord(step.signal)}`;
    case 'healthcheck':
      return writtenHealthcheck(step);
  }
}

function pairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${writtenWord(value)}`)
    .join(' ');
}

function command(given: string | readonly string[]): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}

/** A flag for each value that there is; `true` needs no value. */
function flags(values: readonly (readonly [name: string, value: string | boolean | undefined])[]): string {
  return values
    .map(([name, value]) => {
      if (value === undefined) return '';
      return `${typeof value === 'string' ? writtenFlag(name, value) : `--${name}=${value}`} `;
    })
    .join('');
}

function writtenRun(step: StepOf<'run'>): string {
  const { mounts = [], network } = step;
  const before = `RUN ${flags([...mounts.map((mount) => ['mount', mount] as const), ['network', network]])}`;
  if (typeof step.command !== 'string' || isPlainText('RUN', step.command)) return `${before}${command(step.command)}`;
  // a heredoc takes any text, by a name that is none of its lines
  const lines = step.command.split('\n').map((text) => text.replace(/\r+$/, ''));
  let name = 'EOF';
  for (let number = 1; lines.includes(name); number++) name = `EOF${number}`;
  return `${before}<<${name}\n${step.command}${step.command.endsWith('\n') ? '' : '\n'}${name}`;
}

function writtenTransfer(step: StepOf<'copy'> | StepOf<'add'>): string {
  const { kind, sources, target, chown, chmod, link, exclude = [] } = step;
  const own =
    step.kind === 'copy'
      ? ([
          ['from', step.from],
          ['parents', step.parents],
        ] as const)
      : ([
          ['checksum', step.checksum],
          ['unpack', step.unpack],
        ] as const);
  const expanded = (value: string | undefined): string | undefined => (value === undefined ? undefined : writtenWord(value));
  const given = flags([
    ...own,
    ...([
      ['chown', expanded(chown)],
      ['chmod', expanded(chmod)],
      ['link', link],
    ] as const),
    ...exclude.map((pattern) => ['exclude', pattern] as const),
  ]);
  return `${kind.toUpperCase()} ${given}${JSON.stringify([...sources, target].map(writtenWord))}`;
}

function writtenHealthcheck(step: StepOf<'healthcheck'>): string {
  if (step.command === 'none') return 'HEALTHCHECK NONE';
  const time = (ms: HealthcheckStepOptions['interval']): string | undefined => {
    if (ms === undefined) return undefined;
    return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
  };
  const given = flags([
    ['interval', time(step.interval)],
    ['timeout', time(step.timeout)],
    ['start-period', time(step.startPeriod)],
    ['start-interval', time(step.startInterval)],
    ['retries', step.retries === undefined ? undefined : `${step.retries}`],
  ]);
  return `HEALTHCHECK ${given}CMD ${command(step.command)}`;
}
