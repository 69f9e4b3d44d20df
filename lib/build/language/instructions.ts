import { parseGoDuration } from '../../options/go-duration.js';
import { DockerfileProblem, InstructionProblem } from './build-error.js';
import { Flags } from './flags.js';
import { contentOf } from './heredoc.js';
import type { CommandLine, Healthcheck, Instruction, NameValue, Onbuild, OneText, Run } from './instruction-types.js';
import type { Line } from './parse-lines.js';
import { checkMountFlags } from './run-mounts.js';
import { trim } from './spaces.js';
import { didYouMeanOf } from './suggest.js';
import { parseAdd, parseCopy } from './transfers.js';

const PARSERS: Readonly<Record<string, (line: Line) => Instruction>> = {
  add: parseAdd,
  arg: parseArg,
  cmd: (line) => ({ kind: 'cmd', ...written(line), ...commandLine(line) }),
  copy: parseCopy,
  entrypoint: (line) => ({ kind: 'entrypoint', ...written(line), ...commandLine(line) }),
  env: (line) => ({ kind: 'env', ...written(line), pairs: parsePairs(line) }),
  expose: (line) => ({ kind: 'expose', ...written(line), ports: atLeastOne(line).toSorted() }),
  from: parseFrom,
  healthcheck: parseHealthcheck,
  label: (line) => ({ kind: 'label', ...written(line), pairs: parsePairs(line) }),
  maintainer: (line) => oneText('maintainer', line),
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  stopsignal: (line) => oneText('stopsignal', line),
  user: (line) => oneText('user', line),
  volume: parseVolume,
  workdir: (line) => oneText('workdir', line),
};

/** All instructions, in capitals. */
export const INSTRUCTIONS: readonly string[] = Object.keys(PARSERS).map((name) => name.toUpperCase());

/** Understands an instruction's words and flags. @throws DockerfileProblem */
export function parseInstruction(line: Line): Instruction {
  try {
    const parse = Object.hasOwn(PARSERS, line.name) ? PARSERS[line.name] : undefined;
    if (!parse) throw new InstructionProblem(`unknown instruction: ${line.word}${didYouMeanOf(line.word.toUpperCase(), INSTRUCTIONS)}`);
    return parse(line);
  } catch (error) {
    if (error instanceof InstructionProblem) throw new DockerfileProblem(error.message, line.lines);
    throw error;
  }
}

function written(line: Line): { readonly line: Line; readonly lines: Line['lines'] } {
  return { line, lines: line.lines };
}

function noFlags({ flags }: Line): void {
  new Flags(flags, {});
}

function atLeastOne(line: Line): readonly string[] {
  noFlags(line);
  if (line.words.length === 0) throw new InstructionProblem(`${line.name.toUpperCase()} requires at least one argument`);
  return line.words;
}

function oneText(kind: OneText['kind'], line: Line): OneText {
  noFlags(line);
  const [text, ...others] = line.words;
  if (text === undefined || others.length > 0) throw new InstructionProblem(`${kind.toUpperCase()} requires exactly one argument`);
  return { kind, ...written(line), text };
}

const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;

function parseFrom(line: Line): Instruction {
  const [base, as = '', name] = line.words;
  if (base === undefined || !(line.words.length === 1 || (line.words.length === 3 && as.toLowerCase() === 'as')))
    throw new InstructionProblem('FROM requires either one or three arguments');
  const lower = name?.toLowerCase();
  if (lower !== undefined && !STAGE_NAME.test(lower))
    throw new InstructionProblem(
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
    );
  const flags = new Flags(line.flags, { platform: 'text' });
  return { kind: 'from', ...written(line), base, name: lower ?? null, platform: flags.text('platform') };
}

function parseArg(line: Line): Instruction {
  const args = atLeastOne(line).map((word) => {
    const sign = word.indexOf('=');
    if (sign === 0) throw new InstructionProblem('ARG names can not be blank');
    return sign < 0 ? { name: word, value: null } : { name: word.slice(0, sign), value: word.slice(sign + 1) };
  });
  return { kind: 'arg', ...written(line), args };
}

function parsePairs(line: Line): NameValue[] {
  const words = atLeastOne(line);
  const pairs: NameValue[] = [];
  for (let i = 0; i < words.length; i += 3) {
    const [name = '', value = '', sign] = words.slice(i, i + 3);
    if (name === '') throw new InstructionProblem(`${line.name.toUpperCase()} names can not be blank`);
    pairs.push({ name, value, isOld: sign === '' });
  }
  return pairs;
}

function commandLine(line: Line): CommandLine {
  noFlags(line);
  return { words: commandWords(line.words, line.json), isShell: !line.json };
}

/** Without JSON all words are one text. */
function commandWords(words: readonly string[], json: boolean): readonly string[] {
  return json || words.length === 0 ? words : [words.join(' ')];
}

function parseRun(line: Line): Run {
  const flags = new Flags(line.flags, { mount: 'texts', network: 'text', security: 'text' });
  const network = flags.text('network') || 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host')
    throw new InstructionProblem(`invalid network mode: ${JSON.stringify(network)}${didYouMeanOf(network, ['default', 'none', 'host'])}`);
  const security = flags.text('security') || 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure')
    throw new InstructionProblem(`security ${JSON.stringify(security)} is not valid${didYouMeanOf(security, ['sandbox', 'insecure'])}`);
  const mounts = flags.texts('mount');
  for (const mount of mounts) checkMountFlags(mount);
  const heredocs = line.heredocs.map((heredoc) => ({ name: heredoc.name, content: contentOf(heredoc), expand: heredoc.expand }));
  const words = commandWords(line.words, line.json);
  return { kind: 'run', ...written(line), words, isShell: !line.json, heredocs, mounts, network, security };
}

function parseShell(line: Line): Instruction {
  noFlags(line);
  if (line.words.length === 0) throw new InstructionProblem('SHELL requires at least one argument');
  if (!line.json)
    throw new InstructionProblem(
      `SHELL requires the arguments to be in JSON form, and ${JSON.stringify(line.words.join(' '))} is not: SHELL ["/bin/bash", "-c"]`,
    );
  return { kind: 'shell', ...written(line), words: line.words };
}

function parseVolume(line: Line): Instruction {
  const paths = atLeastOne(line).map(trim);
  if (paths.includes('')) throw new InstructionProblem('VOLUME specified can not be an empty string');
  return { kind: 'volume', ...written(line), paths };
}

function parseHealthcheck(line: Line): Healthcheck {
  const [first, ...words] = line.words;
  if (first === undefined) throw new InstructionProblem('HEALTHCHECK requires at least one argument');
  const none = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
  const type = first.toUpperCase();
  if (type === 'NONE') {
    if (words.length > 0) throw new InstructionProblem('HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', ...written(line), test: ['NONE'], ...none };
  }
  const names = ['interval', 'timeout', 'start-period', 'start-interval', 'retries'];
  const flags = new Flags(line.flags, Object.fromEntries(names.map((name) => [name, 'text'])));
  if (type !== 'CMD') throw new InstructionProblem(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  const command = commandWords(words, line.json);
  if (command.length === 0) throw new InstructionProblem('Missing command after HEALTHCHECK CMD');
  const times = ['interval', 'timeout', 'start-period', 'start-interval'].map((name) => interval(flags.text(name), name));
  const [every = 0, timeout = 0, startPeriod = 0, startInterval = 0] = times;
  const test = [line.json ? 'CMD' : 'CMD-SHELL', ...command];
  const retries = parseRetries(flags.text('retries'));
  return { kind: 'healthcheck', ...written(line), test, interval: every, timeout, startPeriod, startInterval, retries };
}

function interval(text: string, name: string): number {
  if (text === '') return 0;
  const time = parseGoDuration(text);
  if (time === null) throw new InstructionProblem(`time: invalid duration ${JSON.stringify(text)}`);
  if (time !== 0 && time < 1) throw new InstructionProblem(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return time;
}

function parseRetries(text: string): number {
  if (text === '') return 0;
  const retries = /^[-+]?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(retries) || retries > 0x7fffffff)
    throw new InstructionProblem(`--retries must be a number up to ${0x7fffffff}, not ${JSON.stringify(text)}`);
  if (retries < 0) throw new InstructionProblem(`--retries cannot be negative (${retries})`);
  return retries;
}

function parseOnbuild(line: Line): Onbuild {
  const { child } = line;
  if (!child) throw new InstructionProblem('ONBUILD requires at least one argument');
  noFlags(line);
  const trigger = child.word.toUpperCase();
  if (trigger === 'ONBUILD') throw new InstructionProblem("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'MAINTAINER' || trigger === 'FROM') throw new InstructionProblem(`${trigger} isn't allowed as an ONBUILD trigger`);
  const heredocs = line.heredocs.map(({ name, content }) => `\n${content}${name}`);
  return { kind: 'onbuild', ...written(line), text: `${line.original.replace(/^\s*ONBUILD\s*/i, '')}${heredocs.join('')}` };
}
