import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import type { AskedPort } from '../../network/ports/join-ports.js';
import { type PortMapping, type PublishedPort, portMapping, type portMappings, type WantedPort } from '../../network/ports/port-mapping.js';
import { parseOptions } from '../../options/parse-options.js';

/** Each port of the option `ports`, by its place there. */
export function askedPorts(ports: z.output<typeof portMappings> = []): AskedPort[] {
  return ports.flatMap((some, place) => some.map((one) => ({ ...one, option: `ports[${place}]` })));
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePort(port: string | PortMapping): WantedPort {
  const [wanted, ...others] = parseOptions(portMapping, port, 'port');
  if (!wanted || others.length > 0) throw invalidOption('port', 'has several ports of the container: publish each by itself');
  return wanted;
}

const published = z.object({ container: z.int(), host: z.int(), address: z.string(), protocol: z.enum(['tcp', 'udp']) });

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePublished(port: PublishedPort): PublishedPort {
  return parseOptions(published, port, 'port');
}
