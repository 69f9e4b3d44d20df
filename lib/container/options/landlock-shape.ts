import * as z from 'zod';
import type { TcpPorts } from '../../security/landlock-rules.js';

const port = z.int().min(1).max(65_535);

/** The keys of RunOptions about Landlock. */
export const landlockShape = {
  isolation: z.enum(['namespaces', 'landlock']).optional(),
  tcpPorts: z
    .strictObject({ connect: z.array(port).optional(), bind: z.array(port).optional() })
    .transform(({ connect = [], bind = [] }): TcpPorts => ({ connect, bind }))
    .optional(),
};
