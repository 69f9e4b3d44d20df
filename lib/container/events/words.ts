import * as z from 'zod';

// What one process has a shim tell to all who watch, as JSON. Whoever reads them may be of another version.

/** A program beside a container's own one. */
export interface ExecWords {
  readonly execId: string;
  readonly command: readonly string[];
}

/** Bytes of a command that are told; MAX_WORDS has room for them and the rest. */
const COMMAND_ROOM = 3 * 1024;

const told = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['restart', 'stop', 'pause', 'unpause']) }),
  z.object({ type: z.literal('resize'), size: z.object({ columns: z.number(), rows: z.number() }) }),
  z.object({ type: z.literal('health_status'), status: z.enum(['starting', 'healthy', 'unhealthy']) }),
]);
const exec = z.object({ execId: z.string(), command: z.array(z.string()) });

/** What a client, or the shim itself, may say of a container. */
export type Told = z.infer<typeof told>;

export function wordsOf(words: Told | ExecWords): Uint8Array {
  return Buffer.from(JSON.stringify(words));
}

/** `null`: this version knows no such words. */
export function toldIn(bytes: Buffer): Told | null {
  return told.safeParse(parsed(bytes)).data ?? null;
}

/** `null`: this version knows no such words. */
export function execIn(bytes: Buffer): ExecWords | null {
  return exec.safeParse(parsed(bytes)).data ?? null;
}

/** As much of a command as is told. */
export function shortened(command: readonly string[]): string[] {
  let room = COMMAND_ROOM;
  const fits = command.findIndex((argument) => {
    room -= Buffer.byteLength(JSON.stringify(argument)) + 1;
    return room < 0;
  });
  return fits < 0 ? [...command] : [...command.slice(0, fits), '…'];
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
