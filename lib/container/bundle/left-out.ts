import { FORCE_KILL_AFTER } from '../../process/options/parsed-process.js';
import type { BundleFacts } from '../start/bundle-facts.js';
import { type ContainerRecord, portsIn } from '../start/container-record.js';

/** A record that tells all that a bundle needs. */
export type Bundled = Omit<ContainerRecord, 'options' | 'bundle'> & {
  readonly options: NonNullable<ContainerRecord['options']>;
  readonly bundle: BundleFacts;
};

/** The options of a container of which config.json has no word, by their names. Pure. */
export function leftOut(record: Bundled): string[] {
  const { options, bundle } = record;
  const joined = Object.entries(options.namespaces).flatMap(([type, mode]) => (mode === 'joined' ? [`namespaces.${type}`] : []));
  const isLeft: Readonly<Record<string, boolean>> = {
    name: record.name !== null,
    image: record.image !== null,
    upper: options.upper?.type === 'disk',
    upperSize: options.upper?.type === 'tmpfs',
    // config.json maps no ids of the root's files
    userns: record.userns !== null,
    init: options.init,
    network: options.network === 'bridge' || options.network === 'pasta',
    ports: portsIn(record).length > 0,
    bandwidth: options.bandwidth !== null,
    dns: options.dns.length > 0,
    extraHosts: Object.keys(options.extraHosts).length > 0,
    hostPorts: options.hostPorts.length > 0,
    egress: options.egress !== null,
    volumes: hasAnonymous(record),
    copyOut: record.copyOut.length > 0,
    restart: record.restart !== null,
    healthcheck: options.healthcheck !== null,
    timeout: options.timeout !== null,
    cpuTimeLimit: options.cpuTimeLimit !== null,
    killSignal: options.killSignal !== 'SIGKILL',
    forceKillAfterDelay: options.forceKillAfterDelay !== FORCE_KILL_AFTER,
    logging: options.logging !== null,
    autoRemove: options.autoRemove,
  };
  const lacking = record.notEnforced.map(({ feature }) => feature);
  return [...Object.entries(isLeft).flatMap(([name, is]) => (is ? [name] : [])), ...joined, ...lacking, ...bundle.unsaid];
}

/** Volumes that go with the container. */
function hasAnonymous({ mounts }: Pick<ContainerRecord, 'mounts'>): boolean {
  return mounts.some(({ type, source }) => type === 'volume' && source === null);
}
