import { posix } from 'node:path';
import { ImageError } from '../../errors.js';
import type { OciConfig } from '../../image/formats/image-documents.js';
import { parseStopSignal } from '../../image/formats/stop-signal.js';
import { InstructionProblem } from '../language/build-error.js';
import { expandWords } from '../language/expand-words.js';
import type { CommandLine, Expose, Healthcheck, StageInstruction } from '../language/instruction-types.js';
import type { StageScope } from '../language/scopes.js';

type RunConfig = NonNullable<OciConfig['config']>;
export type History = NonNullable<OciConfig['history']>[number];

/** What BuildKit gives an image that has no PATH. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];
const NANOSECONDS = 1_000_000;

/** The variables of an image, as its stage begins: with a PATH. */
export function variablesOf(config: OciConfig['config'] | undefined): Map<string, string> {
  const pairs = (config?.Env ?? []).flatMap((entry): [string, string][] => {
    const sign = entry.indexOf('=');
    return sign > 0 ? [[entry.slice(0, sign), entry.slice(sign + 1)]] : [];
  });
  const variables = new Map(pairs);
  if (!variables.has('PATH')) variables.set('PATH', DEFAULT_PATH);
  return variables;
}

/** What instructions that make no files do to a stage's configuration, as BuildKit writes it. */
export class StageConfig {
  readonly #config: RunConfig;
  readonly #escaper: string;
  #shell: readonly string[];
  #author: string | null = null;
  /** This stage has a CMD of its own, which an ENTRYPOINT leaves. */
  #hasCmd = false;

  /** @param base `undefined`: there is no image, but scratch */
  constructor(base: OciConfig['config'] | StageConfig | undefined, escaper: string) {
    const before = base instanceof StageConfig ? base.#config : (base ?? { WorkingDir: '/' });
    // triggers are for the first stage that is on the image, and no further
    const { OnBuild: _, ...config } = before;
    this.#config = config;
    this.#escaper = escaper;
    if (base instanceof StageConfig) this.#author = base.#author;
    this.#shell = base instanceof StageConfig ? base.#shell : (shellOf(before) ?? DEFAULT_SHELL);
  }

  get user(): string {
    return this.#config.User ?? '';
  }

  /** By MAINTAINER; `null`: who made the base, if that is known. */
  get author(): string | null {
    return this.#author;
  }

  get workingDir(): string {
    return this.#config.WorkingDir || '/';
  }

  /** A path of an instruction, from the working directory; a '/' at its end stays. */
  absolute(path: string): string {
    const joined = path.startsWith('/') ? path : posix.join(this.workingDir, path);
    const isFolder = path.endsWith('/') || path === '.' || path.endsWith('/.') || path === '';
    const clean = posix.normalize(joined);
    return isFolder && !clean.endsWith('/') ? `${clean}/` : clean;
  }

  /** What is executed for a command. */
  command({ words, isShell }: CommandLine): readonly string[] {
    return isShell && words.length > 0 ? [...this.#shell, ...words] : words;
  }

  /** The configuration, with the variables of ENV. */
  result(scope: StageScope): RunConfig {
    const env = [...scope.env].map(([name, value]) => `${name}=${value}`);
    const { Cmd: cmd = [], Entrypoint: entrypoint = [], ...config } = this.#config;
    // no words at all are none
    return {
      ...config,
      ...(cmd && cmd.length > 0 ? { Cmd: cmd } : {}),
      ...(entrypoint && entrypoint.length > 0 ? { Entrypoint: entrypoint } : {}),
      Env: env,
    };
  }

  /**
   * What an instruction without files changes.
   *
   * @returns how the history tells of it, as BuildKit writes that; `null`: it tells nothing, or what is done with files
   * @throws InstructionProblem
   */
  apply(instruction: StageInstruction, scope: StageScope): string | null {
    const config = this.#config;
    switch (instruction.kind) {
      case 'env':
        return `ENV ${asPairs(scope.setEnv(instruction.pairs))}`;
      case 'arg':
        return `ARG ${asPairs(scope.setArgs(instruction))}`;
      case 'label': {
        const pairs = instruction.pairs.map(({ name, value }) => [scope.expand(name), scope.expand(value)] as const);
        config.Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
        return `LABEL ${asPairs(pairs)}`;
      }
      case 'cmd':
        config.Cmd = [...this.command(instruction)];
        // nothing but Windows reads that; BuildKit writes it
        config.ArgsEscaped = true;
        this.#hasCmd = true;
        return `CMD ${quoted(config.Cmd)}`;
      case 'entrypoint':
        config.Entrypoint = [...this.command(instruction)];
        if (!this.#hasCmd) delete config.Cmd;
        return `ENTRYPOINT ${quoted(config.Entrypoint)}`;
      case 'shell':
        this.#shell = instruction.words;
        config.Shell = instruction.words;
        return `SHELL [${instruction.words.join(' ')}]`;
      case 'workdir':
        config.WorkingDir = this.#workdir(scope.expand(instruction.text));
        return `WORKDIR ${config.WorkingDir}`;
      case 'user':
        config.User = scope.expand(instruction.text);
        return `USER ${config.User}`;
      case 'stopsignal':
        config.StopSignal = stopSignal(scope.expand(instruction.text));
        return `STOPSIGNAL ${config.StopSignal}`;
      case 'expose': {
        const ports = this.#ports(instruction, scope);
        config.ExposedPorts = { ...config.ExposedPorts, ...asSet(ports) };
        return `EXPOSE [${[...new Set(ports)].join(' ')}]`;
      }
      case 'volume': {
        const paths = instruction.paths.map((path) => notEmpty(scope.expand(path)));
        config.Volumes = { ...config.Volumes, ...asSet(paths) };
        return `VOLUME [${paths.join(' ')}]`;
      }
      case 'healthcheck':
        config.Healthcheck = ociHealth(instruction);
        return instruction.line.original.trim().replace(/^\S+/, 'HEALTHCHECK');
      case 'onbuild':
        config.OnBuild = [...triggersOf(config), instruction.text];
        return null;
      case 'maintainer':
        this.#author = instruction.text;
        return `MAINTAINER ${instruction.text}`;
      case 'run':
      case 'copy':
      case 'add':
        return null;
    }
  }

  #workdir(path: string): string {
    // a slash at the end of an absolute path stays, as BuildKit has it
    if (path.startsWith('/')) return posix.normalize(path);
    return posix.join(this.workingDir, path).replace(/(?<=.)\/$/, '');
  }

  #ports({ ports }: Expose, scope: StageScope): string[] {
    const words = ports.flatMap((word) => expandWords(word, { escaper: this.#escaper, lookup: scope.lookup }));
    const ranges = words.map(portRange);
    if (ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0) > MOST_PORTS)
      throw new InstructionProblem('EXPOSE has more ports than there are');
    return ranges.flatMap(({ from, to, protocol }) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol}`));
  }
}

function shellOf(config: RunConfig): readonly string[] | undefined {
  const { Shell: shell } = config;
  if (!Array.isArray(shell) || shell.length === 0) return undefined;
  const words = shell.filter((word) => typeof word === 'string');
  return words.length === shell.length ? words : undefined;
}

/** What ONBUILD of an image has. @throws ImageError when that is no list of texts */
export function triggersOf(config: OciConfig['config'] | undefined): readonly string[] {
  const triggers = config?.OnBuild ?? [];
  if (!Array.isArray(triggers)) throw new ImageError('OnBuild of the image is no list');
  const texts = triggers.filter((text) => typeof text === 'string');
  if (texts.length < triggers.length) throw new ImageError('OnBuild of the image has something that is no text');
  return texts;
}

/** `value` is `undefined` for what has none. */
function asPairs(pairs: readonly (readonly [string, string | undefined])[]): string {
  return pairs.map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join(' ');
}

function quoted(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

function asSet(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function notEmpty(path: string): string {
  if (path.trim() === '') throw new InstructionProblem('VOLUME specified can not be an empty string');
  return path;
}

function stopSignal(text: string): string {
  if (parseStopSignal(text) === null) throw new InstructionProblem(`invalid signal: ${JSON.stringify(text)}`);
  return text;
}

/** An address and a port of the host may stand before it, which an image has no use for. */
const PORT = /^(?:(?:(?:\[[\da-fA-F:.]*\]|[\d.]*):)?(?:\d{1,5}(?:-\d{1,5})?)?:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-zA-Z]+))?$/;

/** All ports of tcp, udp and sctp. */
const MOST_PORTS = 3 * 65_536;

/** A port, or a range of them: '80', '8000-8010/udp', '127.0.0.1:8080:80'. */
function portRange(text: string): { readonly from: number; readonly to: number; readonly protocol: string } {
  const [, first = '', last = first, kind = 'tcp'] = PORT.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  const protocol = kind.toLowerCase();
  if (first === '' || from > to || to > 65_535 || !['tcp', 'udp', 'sctp'].includes(protocol))
    throw new InstructionProblem(`invalid containerPort: ${text}`);
  return { from, to, protocol };
}

function ociHealth({ test, interval, timeout, startPeriod, startInterval, retries }: Healthcheck): NonNullable<RunConfig['Healthcheck']> {
  const time = (name: string, ms: number): Record<string, number> => (ms === 0 ? {} : { [name]: Math.round(ms * NANOSECONDS) });
  return {
    Test: [...test],
    ...time('Interval', interval),
    ...time('Timeout', timeout),
    ...time('StartPeriod', startPeriod),
    ...time('StartInterval', startInterval),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}
