import * as z from 'zod';
import { networkName } from '../../network/bridge/network-options.js';
import { text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { ContainerFilter, ContainerInfo } from './list-types.js';

const schema = z.strictObject({
  labels: z.record(text, text).optional(),
  name: text.optional(),
  state: z.enum(['created', 'running', 'paused', 'restarting', 'stopped', 'unknown']).optional(),
  network: networkName.optional(),
});

/** A test for containers that have all of what is asked for. @throws NacelleError `ERR_INVALID_OPTION` */
export function parseFilter(filter: ContainerFilter): (info: ContainerInfo) => boolean {
  const { labels = {}, name, state, network } = parseOptions(schema, filter, 'filter');
  return (info) =>
    (name === undefined || info.name === name) &&
    (state === undefined || info.state === state) &&
    (network === undefined || info.networks.includes(network)) &&
    Object.entries(labels).every(([key, value]) => info.labels[key] === value);
}
