import type { OciConfig } from './image-documents.js';

/** What an image says about how it is to be run: the OCI image configuration's `config`, in this library's words. */
export interface ImageConfig {
  /** Empty values are kept: an image may set `DEBUG=`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  /** 'user', 'uid', 'user:group', 'uid:gid'. */
  readonly user?: string | undefined;
  /** '80/tcp', '53/udp'. */
  readonly exposedPorts?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** A name or a number: 'SIGQUIT', 'SIGRTMIN+3', '3'. */
  readonly stopSignal?: string | undefined;
  /** Kept while a container runs, unless the container's option says otherwise. */
  readonly healthcheck?: ImageHealthcheck | undefined;
}

export interface ImageHealthcheck {
  /** ['NONE'], ['CMD', …] or ['CMD-SHELL', line]. */
  readonly test?: readonly string[] | undefined;
  /** Milliseconds. */
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
  readonly startPeriod?: number | undefined;
  readonly startInterval?: number | undefined;
  readonly retries?: number | undefined;
}

/** What is absent, null or empty in the image's JSON is absent here. */
export function imageConfig(source: OciConfig['config']): ImageConfig {
  if (!source) return {};
  const config: { -readonly [K in keyof ImageConfig]: ImageConfig[K] } = {};
  if (source.Env?.length) config.env = environment(source.Env);
  if (source.Cmd?.length) config.cmd = source.Cmd;
  if (source.Entrypoint?.length) config.entrypoint = source.Entrypoint;
  if (source.WorkingDir) config.workingDir = source.WorkingDir;
  if (source.User) config.user = source.User;
  if (source.ExposedPorts) config.exposedPorts = Object.keys(source.ExposedPorts);
  if (source.Volumes) config.volumes = Object.keys(source.Volumes);
  if (source.Labels) config.labels = source.Labels;
  if (source.StopSignal) config.stopSignal = source.StopSignal;
  if (source.Healthcheck) config.healthcheck = healthcheck(source.Healthcheck);
  return config;
}

/** The variables of a list. A name without '=' has no value in docker either, and is left out. Of two with one name, the later wins. */
function environment(list: readonly string[]): Record<string, string> {
  const pairs = list.flatMap((entry): [string, string][] => {
    const sign = entry.indexOf('=');
    return sign > 0 ? [[entry.slice(0, sign), entry.slice(sign + 1)]] : [];
  });
  return Object.fromEntries(pairs);
}

/** The same in the image's JSON: what is absent here is absent there, and what is empty is empty. */
export function ociConfig(config: ImageConfig): NonNullable<OciConfig['config']> {
  const { env, cmd, entrypoint, workingDir, user, exposedPorts, volumes, labels, stopSignal, healthcheck: health } = config;
  return {
    ...(env ? { Env: Object.entries(env).map(([name, value]) => `${name}=${value}`) } : {}),
    ...(cmd ? { Cmd: [...cmd] } : {}),
    ...(entrypoint ? { Entrypoint: [...entrypoint] } : {}),
    ...(workingDir !== undefined ? { WorkingDir: workingDir } : {}),
    ...(user !== undefined ? { User: user } : {}),
    ...(exposedPorts ? { ExposedPorts: asSet(exposedPorts) } : {}),
    ...(volumes ? { Volumes: asSet(volumes) } : {}),
    ...(labels ? { Labels: { ...labels } } : {}),
    ...(stopSignal !== undefined ? { StopSignal: stopSignal } : {}),
    ...(health ? { Healthcheck: ociHealthcheck(health) } : {}),
  };
}

function asSet(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function ociHealthcheck({ test, interval, timeout, startPeriod, startInterval, retries }: ImageHealthcheck) {
  // 0 would mean the default
  const nanoseconds = (ms: number): number => Math.max(1, Math.round(ms * NANOSECONDS));
  return {
    ...(test ? { Test: [...test] } : {}),
    ...(interval ? { Interval: nanoseconds(interval) } : {}),
    ...(timeout ? { Timeout: nanoseconds(timeout) } : {}),
    ...(startPeriod ? { StartPeriod: nanoseconds(startPeriod) } : {}),
    ...(startInterval ? { StartInterval: nanoseconds(startInterval) } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
}

/** Nanoseconds in a millisecond. */
const NANOSECONDS = 1_000_000;

function healthcheck(source: NonNullable<NonNullable<OciConfig['config']>['Healthcheck']>): ImageHealthcheck {
  return {
    ...(source.Test ? { test: source.Test } : {}),
    ...(source.Interval ? { interval: source.Interval / NANOSECONDS } : {}),
    ...(source.Timeout ? { timeout: source.Timeout / NANOSECONDS } : {}),
    ...(source.StartPeriod ? { startPeriod: source.StartPeriod / NANOSECONDS } : {}),
    ...(source.StartInterval ? { startInterval: source.StartInterval / NANOSECONDS } : {}),
    ...(source.Retries ? { retries: source.Retries } : {}),
  };
}
