import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type BuildOptions, type BuildResult, build, type Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { SSH_SERVER_TOOLS, type SshServer, sshServer } from '../fixtures/ssh-server.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['tar', 'gzip', ...SSH_SERVER_TOOLS] });

describe('build: ADD of git repositories by SSH', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);
  let server: SshServer;
  let place = '';
  let count = 0;

  beforeEach(async () => {
    place = join(folder, String(count++));
    mkdirSync(join(place, '.ssh'), { recursive: true });
    server = await sshServer(join(place, 's'));
    vi.stubEnv('HOME', place);
    knows(server.hostKey);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
    const left = existsSync(join(store.root, 'tmp')) ? readdirSync(join(store.root, 'tmp')) : [];
    expect(left.filter((name) => !name.endsWith('.lease'))).toEqual([]);
  });

  const knows = (...keys: string[]): void => writeFileSync(join(place, '.ssh/known_hosts'), keys.map((key) => `${key}\n`).join(''));

  const git = (name: string, ...args: string[]): string =>
    execFileSync('git', ['-c', 'init.defaultBranch=main', '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], {
      cwd: join(place, name),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();

  /** @param submodule a URL; nothing is looked at there */
  function repository(name: string, submodule?: { readonly url: string; readonly commit: string }): string {
    mkdirSync(join(place, name));
    git(name, 'init', '-q');
    writeFileSync(join(place, name, 'file'), name);
    if (submodule) {
      writeFileSync(join(place, name, '.gitmodules'), `[submodule "below"]\n\tpath = below\n\turl = "${submodule.url}"\n`);
      git(name, 'update-index', '--add', '--cacheinfo', `160000,${submodule.commit},below`);
    }
    git(name, 'add', 'file', ...(submodule ? ['.gitmodules'] : []));
    git(name, 'commit', '-qm', 'x');
    return git(name, 'rev-parse', 'HEAD');
  }

  const run = (line: string, options: BuildOptions = {}): Promise<BuildResult> =>
    build({
      context: buildContext(folder, {}),
      dockerfile: { content: `FROM scratch\nARG ROOT\n${line}` },
      buildArgs: { ROOT: `ssh://${server.place}${place}` },
      network: 'host',
      ssh: { default: server.agent },
      ...options,
    });

  const names = async (image: Image): Promise<string[]> =>
    (await layerListing(image, 0, folder)).map((line) => line.replace(/^.*\d\d:\d\d:\d\d /, ''));

  it('has the files and submodules of the same server, by the keys of an agent, and takes the layer of an earlier build', async () => {
    const commit = repository('sub.git');
    repository('a.git', { url: '../sub.git', commit });
    const tar = join(place, 'files.tar');
    const { image } = await run('ADD --keep-git-dir $ROOT/a.git#main /', { output: { tar } });
    const found = await names(image);
    expect(found).toEqual(expect.arrayContaining(['.git/HEAD', '.gitmodules', 'below/file', 'file']));
    expect(server.log()).toContain('Accepted publickey');
    expect(readFileSync(tar, 'latin1')).not.toMatch(/IdentityAgent|known_hosts|ssh-ed25519/);
    const again = await run('ADD --keep-git-dir $ROOT/a.git#main /');
    expect(again.steps.at(-1)?.cached).toBe(true);
    await expect(run('ADD --keep-git-dir $ROOT/a.git#main /', { ssh: {} })).rejects.toThrow('needs an ssh agent: the option ssh gives one');
    await expect(run('ADD $ROOT/a.git /', { network: 'none' })).rejects.toThrow('the build has no network');
  });

  it('ends where the key of the server is not known, or is another', async () => {
    repository('a.git');
    knows();
    await expect(run('ADD $ROOT/a.git /')).rejects.toThrow(/a\.git.*Host key verification failed/s);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(place, 'other')]);
    knows(`[127.0.0.1]:${server.port} ${readFileSync(join(place, 'other.pub'), 'utf8').trim()}`);
    await expect(run('ADD $ROOT/a.git /')).rejects.toThrow(/a\.git.*Host key verification failed/s);
    expect(server.log()).not.toContain('Accepted');
  });

  it('a repository takes the agent to no other server, and has ssh run nothing', async () => {
    const commit = repository('sub.git');
    // the same server by another name: it would let the key of the agent in
    knows(server.hostKey, server.hostKey.replace('127.0.0.1', 'localhost'));
    const elsewhere = `ssh://${server.place.replace('127.0.0.1', 'localhost')}${place}/sub.git`;
    const hostile = {
      elsewhere: [elsewhere, /@localhost: Permission denied/],
      option: ['ssh://-oProxyCommand=touch%20/tmp/ssh/ran/x', /strange hostname|No url found/],
      path: [`ssh://${server.place}/-x`, /strange pathname|could not read|does not appear|correct access rights/i],
      plain: ['http://127.0.0.1:1/sub.git', /transport 'http' not allowed/],
    } as const;
    for (const [name, [url, message]] of Object.entries(hostile)) {
      repository(`${name}.git`, { url, commit });
      await expect(run(`ADD $ROOT/${name}.git /`)).rejects.toThrow(message);
    }
    // without the submodule it has its files, and by its own URL the other one is let in
    expect(await names((await run('ADD $ROOT/option.git?submodules=false /')).image)).toContain('file');
    await expect(run(`ADD ${elsewhere} /`)).resolves.toBeDefined();
  });
});
