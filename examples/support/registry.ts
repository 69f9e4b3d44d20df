import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Debian's docker-registry on a free port of loopback, with its files in a folder; `null` where it isn't installed. */
export async function startRegistry(folder: string): Promise<{ host: string; stop: () => Promise<void> } | null> {
  if (spawnSync('docker-registry', ['--version']).error) return null;
  mkdirSync(folder, { recursive: true });
  const config = { version: 0.1, storage: { filesystem: { rootdirectory: folder } }, http: { addr: '127.0.0.1:0' } };
  // YAML has JSON in it
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
  const server = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'exit');
  let port: string | undefined;
  for await (const line of createInterface({ input: server.stderr })) {
    port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) break;
  }
  if (port === undefined) throw new Error('docker-registry ended before it listened');
  // the loop's end paused it, and the registry would wait for a reader
  server.stderr.resume();
  const stop = async (): Promise<void> => {
    server.kill();
    await ended;
  };
  return { host: `127.0.0.1:${port}`, stop };
}
