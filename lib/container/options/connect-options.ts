import { isIP } from 'node:net';
import * as z from 'zod';
import { abortSignal, delay, text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';

export const portNumber = z.int().min(1).max(65_535);

/** Names would be looked up in the host's network, and zones are numbers of the host's links. */
export const hostAddress = text
  .refine((value) => isIP(value) !== 0, "must be an IP address, such as '127.0.0.1' or '::1'")
  .refine((value) => !value.includes('%'), 'must have no zone: leave out what follows the %');

export const connectOptions = z.strictObject({
  host: hostAddress.optional(),
  timeout: delay.optional(),
  cancelSignal: abortSignal.optional(),
});

/** Where a stream leads, and for how long it is waited for. */
export interface ParsedConnect {
  readonly port: number;
  /** `null`: the loopback, by IPv4 or IPv6. */
  readonly host: string | null;
  /** ms; `null`: as long as the kernel tries. */
  readonly timeout: number | null;
  readonly cancelSignal: AbortSignal | null;
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseConnect(port: unknown, options: unknown): ParsedConnect {
  const checked = parseOptions(portNumber, port, 'port');
  const { host = null, timeout = null, cancelSignal = null } = parseOptions(connectOptions, options, 'options');
  return { port: checked, host, timeout, cancelSignal };
}
