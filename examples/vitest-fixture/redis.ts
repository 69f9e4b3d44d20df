import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container } from 'nacelle';
import { test as base } from 'vitest';
import { RedisClient } from './redis-client.js';

/** This machine's redis-server (Debian's package), in a container without a network: it is reached by a socket in a shared folder. */
export interface Redis {
  container: Container;
  client: RedisClient;
}

const NOBODY = 65_534;

/** vitest's `test` with a Redis of the test file's own, which is there when its first test asks for one, and gone after its last. */
export const test = base.extend<{ settings: string[]; redis: Redis }>({
  // A file that wants others says so by `test.override`.
  settings: [['--save', ''], { scope: 'file' }],
  redis: [
    async ({ settings }, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'redis-'));
      try {
        await chown(folder, NOBODY, NOBODY);
        await using container = await Container.create({
          image: 'host',
          command: ['redis-server', '--port', '0', '--unixsocket', '/run/redis/socket', ...settings],
          user: 'nobody',
          volumes: [`${folder}:/run/redis`],
          memory: '256m',
        });
        await container.start();
        await container.waitFor({ log: /ready to accept connections/i });
        const client = await RedisClient.connect(join(folder, 'socket'));
        await use({ container, client });
        client.close();
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    { scope: 'file' },
  ],
});
