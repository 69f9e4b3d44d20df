import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, vi } from 'vitest';
import { type BuildOptions, Container } from '../../lib/index.js';
import { told, useBuilds } from '../fixtures/builds.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });
const asRoot = requires({ root: true, tools: ['busybox', 'tar', 'gzip'] });
const withSsh = requires({ containers: true, tools: ['busybox', 'tar', 'gzip', 'ssh-agent', 'ssh-add', 'ssh-keygen', 'ldd'] });

describe('RUN --mount, of what is secret', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const { folder, store, context, on, names } = useBuilds();

  describe('type=secret', () => {
    const SECRET = 'hunter2-of-the-test';

    /** Whether some bytes are anywhere in the store: in blobs, which are looked into, or what else there is but the layers that were unpacked of these. */
    function isInStore(text: string): boolean {
      const folders = readdirSync(store.root).filter((name) => name !== 'layers');
      return folders.some((name) => {
        const path = join(store.root, name);
        const files = statSync(path).isFile() ? [path] : filesBelow(path);
        return files.some((file) => {
          const bytes = readFileSync(file);
          return bytes.includes(text) || (bytes[0] === 0x1f && bytes[1] === 0x8b && gunzipSync(bytes).includes(text));
        });
      });
    }

    function filesBelow(path: string): string[] {
      const entries = readdirSync(path, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    }

    it('that is required is needed for what was made with it, too', async () => {
      const lines = ['RUN --mount=type=secret,id=tok,required cp /run/secrets/tok /tool'];
      await on(lines, { secrets: { tok: SECRET } });
      await expect(on(lines)).rejects.toThrow('the secret "tok" is required');
      const other = await on(lines, { secrets: { tok: 'another' }, cacheNamespace: 'other' });
      expect(other.steps.at(-1)?.cached).toBe(false);
    });

    it('is a file or a variable of RUN, and nothing of it is in the image, the store or the cache', async () => {
      const file = join(context({ token: `${SECRET}-file` }), 'token');
      vi.stubEnv('NACELLE_TEST_SECRET', `${SECRET}-env`);
      const secrets = { a: SECRET, 'dir/b': Buffer.from(`${SECRET}-bytes`), c: { file }, d: { env: 'NACELLE_TEST_SECRET' } };
      const lines = [
        'USER 1000',
        // the text of the Dockerfile must not have the secret itself
        'RUN --mount=type=secret,id=a,uid=1000 test "$(cat /run/secrets/a)" = hunter"2"-of-the-test && stat -c "%a %u:%g %s" /run/secrets/a && ! (echo x > /run/secrets/a)',
        'USER 0',
        'RUN --mount=type=secret,id=dir/b,mode=0644,gid=7 --mount=type=secret,source=c,target=/root/.deep/token --mount=type=secret,id=d,env=TOKEN --mount=type=secret,id=a,env= stat -c "%a %u:%g %s" /run/secrets/b /root/.deep/token && echo "$TOKEN$a" | wc -c && ls -A /run/secrets',
        'RUN --mount=type=secret,id=none --mount=type=secret,id=nil,env=X ls -A /run; echo "$X"; ls -A /root',
      ];
      const { image, output } = await on(lines, { secrets });
      const length = SECRET.length;
      expect(output.replace(/^.*can't create.*\n/m, '')).toBe(
        `400 1000:0 ${length}\n644 0:7 ${length + 6}\n400 0:0 ${length + 5}\n${2 * length + 5}\nb\n\n`,
      );
      expect(await names(image)).toEqual([]);
      await expect(Container.run({ image, command: ['ls', '-A', '/run', '/root'], reject: true })).resolves.toMatchObject({
        stdout: '/root:\n\n/run:\n',
      });
      expect(isInStore('hunter2')).toBe(false);
      // another value changes nothing
      expect(told(await on(lines, { secrets: { ...secrets, a: 'other', d: 'else' } }))).toBe('-c-cc');
      expect(
        told(
          await on(
            lines.map((line) => line.replace('id=a,uid=1000', 'id=c,uid=1000,target=/run/secrets/a')),
            { secrets: { ...secrets, c: SECRET } },
          ),
        ),
      ).toBe('-r-cc');
    });

    asRoot.it('is there in a user namespace of its own too, where a bind is refused', async () => {
      const lines = ['RUN --mount=type=secret,id=a,uid=7 --mount=type=tmpfs,target=/t touch /t/x && stat -c "%a %u:%g %s" /run/secrets/a'];
      const { image, output } = await on(lines, { secrets: { a: SECRET }, userns: 'auto' });
      expect(output).toBe(`400 7:0 ${SECRET.length}\n`);
      expect(await names(image)).toEqual([]);
      await expect(on(['RUN --mount=target=/x true'], { userns: 'auto' })).rejects.toThrow("not supported with the option userns: 'auto'");
    });

    it('is in no error, event or record of this package', async () => {
      const events: unknown[] = [];
      // what this process tells of the container that runs
      const liveContainers = () => Container.list();
      const options: BuildOptions = {
        secrets: { a: SECRET },
        onProgress: (event) => events.push(event, liveContainers()),
      };
      const lines = ['RUN --mount=type=secret,id=a,env=A --mount=type=secret,id=a echo started; exit 3'];
      const error: unknown = await on(lines, options).catch((problem: unknown) => problem);
      expect(error).toMatchObject({ name: 'BuildError', result: { exitCode: 3 } });
      expect(inspect([error, await Promise.all(events)], { depth: 20, showHidden: true })).not.toContain('hunter2');
      await expect(on(['RUN --mount=type=secret,id=a,target=/etc/passwd/x true'], options)).rejects.not.toThrow('hunter2');
      expect(isInStore('hunter2')).toBe(false);
    });

    it.each<[string, BuildOptions, string]>([
      ['type=secret,id=a,required', {}, 'the secret "a" is required, and the option secrets doesn\'t have it'],
      ['type=secret,id=..', {}, 'the secret ".." needs a target'],
      ['type=secret,id=a,env=X=Y', { secrets: { a: '' } }, '"X=Y" is no name of a variable'],
      ['type=secret,id=a,env=X', { secrets: { a: 'hun\0ter2' } }, 'has a NUL byte'],
      ['type=ssh,required', {}, 'the ssh agent "default" is required, and the option ssh doesn\'t have it'],
    ])('refuses %s with %j', async (mount, options, message) => {
      await expect(on([`RUN --mount=${mount} true`], options)).rejects.toMatchObject({
        name: 'BuildError',
        line: 2,
        message: expect.stringContaining(message),
      });
    });

    it.each<[object, string]>([
      [{ secrets: 'hunter2' }, 'option secrets: must be an object, by ids,'],
      [{ secrets: { a: ['hunter2'] } }, 'option secrets: must be an object, by ids,'],
      [{ secrets: { a: { env: 'NACELLE_TEST_NONE' } } }, 'option secrets.a: the environment has no variable "NACELLE_TEST_NONE"'],
      [{ secrets: { a: { file: '/none' } } }, 'option secrets.a: "/none": ENOENT'],
      [{ secrets: { a: { file: '/dev' } } }, 'option secrets.a: "/dev" is no file'],
      [{ secrets: { a: { file: process.execPath } } }, 'option secrets.a: has more than 512000 bytes'],
      [{ ssh: { default: '/none' } }, 'option ssh.default: "/none": ENOENT'],
      [{ ssh: { default: '/dev/null' } }, 'option ssh.default: "/dev/null" is no socket'],
      [{ cacheNamespace: '' }, 'option cacheNamespace'],
    ])('refuses the options %j', async (options, message) => {
      const error: unknown = await on(['RUN true'], options).catch((problem: unknown) => problem);
      expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(message) });
      expect(inspect(error)).not.toContain('hunter2');
    });
  });

  describe('type=ssh', () => {
    /** Does something with an agent that has one key, and the words by which it tells of it. */
    async function withAgent(work: (agent: { readonly socket: string; readonly key: string }) => Promise<void>): Promise<void> {
      const place = mkdtempSync(join(folder, 'a-'));
      const socket = join(place, 's');
      const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
      const ended = once(agent, 'close');
      try {
        await Promise.race([ended, until('the agent listens', () => isAnswered(socket))]);
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(place, 'key'), '-C', 'of-the-test']);
        execFileSync('ssh-add', ['-q', join(place, 'key')], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
        await work({ socket, key: execFileSync('ssh-keygen', ['-lf', join(place, 'key')], { encoding: 'utf8' }) });
      } finally {
        agent.kill();
        await ended;
      }
    }

    /** ssh-add(1) fails in another way where nobody listens. */
    function isAnswered(socket: string): boolean {
      return spawnSync('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' }).status === 1;
    }

    /** A context with a real client and its libraries. */
    function client(): string {
      const path = context();
      const needed = execFileSync('ldd', ['/usr/bin/ssh-add'], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
      for (const file of ['/usr/bin/ssh-add', ...needed]) {
        mkdirSync(dirname(join(path, file)), { recursive: true });
        copyFileSync(file, join(path, file));
      }
      return path;
    }

    withSsh.it('reaches the agent by a socket of its own, which is gone afterwards', async () =>
      withAgent(async ({ socket, key }) => {
        const path = client();
        const lines = [
          'COPY . /',
          'RUN --mount=type=ssh ssh-add -l && ls -A /run/buildkit && stat -c "%a %u:%g" $SSH_AUTH_SOCK',
          'RUN --mount=type=ssh,id=other,target=/s/agent,mode=666 SSH_AUTH_SOCK=/s/agent ssh-add -l',
          'RUN --mount=type=ssh,id=none echo "none: $SSH_AUTH_SOCK" && ls -A /run',
        ];
        const { image, output } = await on(lines, { context: path, ssh: { default: socket, other: socket } });
        expect(output).toBe(`${key}ssh_agent.0\n600 0:0\n${key}none: /run/buildkit/ssh_agent.0\n`);
        expect(await names(image)).toEqual([]);
        vi.stubEnv('SSH_AUTH_SOCK', socket);
        expect((await on(lines.slice(0, 2), { context: path, cache: false, ssh: { default: 'default' } })).output).toContain(key);
        vi.stubEnv('SSH_AUTH_SOCK', undefined);
        await expect(on(['RUN true'], { ssh: { default: 'default' } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
      }),
    );

    withSsh.it('is another user’s where it is told to be, which needs root', async () =>
      withAgent(async ({ socket, key }) => {
        const lines = [
          'COPY . /',
          'USER 1000:1001',
          'RUN --mount=type=ssh,uid=1000,gid=1001 ssh-add -l && stat -c "%a %u:%g" $SSH_AUTH_SOCK',
        ];
        const result = on(lines, { context: client(), ssh: { default: socket } });
        if (process.geteuid?.() === 0) expect((await result).output).toBe(`${key}600 1000:1001\n`);
        else await expect(result).rejects.toMatchObject({ cause: { code: 'ERR_UNSUPPORTED' } });
      }),
    );
  });
});
