import * as z from 'zod';
import { text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { ContainerFilter, ContainerInfo } from './container-types.js';

const schema = z.strictObject({
  labels: z.record(text, text).optional(),
  name: text.optional(),
  state: z.enum(['created', 'running', 'paused', 'restarting', 'stopped', 'unknown']).optional(),
});

/** A test for containers that have all of what is asked for. @throws NacelleError `ERR_INVALID_OPTION` */
export function parseFilter(filter: ContainerFilter): (info: ContainerInfo) => boolean {
  const { labels = {}, name, state } = parseOptions(schema, filter, 'filter');
  return (info) =>
    (name === undefined || info.name === name) &&
    (state === undefined || info.state === state) &&
    Object.entries(labels).every(([key, value]) => info.labels[key] === value);
}
