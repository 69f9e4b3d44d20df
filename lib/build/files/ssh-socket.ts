import { chmod, chown, type FileHandle, open, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { UnsupportedError } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import { type Hold, hold } from '../../store/lease.js';
import { makeFolder } from '../../store/store-root.js';

/** A socket whose connections lead to an agent. */
export interface SshSocket {
  /** On this machine. */
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Listens for connections to an agent, in a folder that nobody else can enter. The socket is RUN's own: so it has the owner that the mount
 * asks for, and nothing is connected when RUN has ended.
 *
 * @throws UnsupportedError for another owner than root, without root
 */
export async function listenFor(
  agent: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
): Promise<SshSocket> {
  const isRoot = privilege().kind === 'root';
  if (!isRoot && (uid !== 0 || gid !== 0))
    throw new UnsupportedError(
      'an ssh mount of another user than root',
      'without root nobody can give a socket away',
      'Leave out uid and gid.',
    );
  const held = await hold([]);
  try {
    return await listenIn(await held.temporaryPath().then(makeFolder), agent, { held, mode, ...(isRoot ? { owner: { uid, gid } } : {}) });
  } catch (error) {
    held.release();
    throw error;
  }
}

async function listenIn(
  folder: string,
  agent: string,
  { held, mode, owner }: { readonly held: Hold; readonly mode: number; readonly owner?: { readonly uid: number; readonly gid: number } },
): Promise<SshSocket> {
  const streams = new Set<Socket>();
  const server = createServer((inside) => bridge(inside, connect(agent), streams));
  server.maxConnections = MOST_CONNECTIONS;
  const opened = await open(folder, 'r');
  const close = async (): Promise<void> => {
    for (const stream of streams) stream.destroy();
    await new Promise<void>((done) => server.close(() => done()));
    try {
      // libuv has removed the socket by the descriptor's number, which therefore had to be the folder's until now
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    } finally {
      held.release();
    }
  };
  try {
    await listen(server, opened);
    // a connection that can't be accepted is the failure of who connects
    server.on('error', () => undefined);
    const path = join(folder, NAME);
    if (owner) await chown(path, owner.uid, owner.gid);
    await chmod(path, mode);
    return { path, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const NAME = 'agent';
/** Each takes two descriptors of this process. */
const MOST_CONNECTIONS = 64;

/** By the folder's descriptor, as the path of a socket can't be long (unix(7)). */
function listen(server: Server, folder: FileHandle): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(`/proc/self/fd/${folder.fd}/${NAME}`, () => {
      server.off('error', fail);
      done();
    });
  });
}

/** Whatever ends one of two connections ends the other. */
function bridge(inside: Socket, agent: Socket, streams: Set<Socket>): void {
  for (const [one, other] of [
    [inside, agent],
    [agent, inside],
  ] as const) {
    streams.add(one);
    one.on('error', () => other.destroy());
    one.on('close', () => {
      streams.delete(one);
      other.destroy();
    });
    one.pipe(other);
  }
}
