import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type BuildOptions, build, Image, NacelleError } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { tarArchive } from '../../fixtures/tar.js';
import { attack, byHand } from '../attack.js';
import { emptyFolder, hostFile, SECRET, shell } from '../outside.js';

const BASE = 'attacked/busybox:1';

/** What the RUNs of a Dockerfile print, or `refused: CODE`, which may not tell the secret either. */
async function built(lines: readonly string[], options: BuildOptions = {}): Promise<string> {
  // a user without subordinate ids has no other owner inside
  await (await loadBusybox('--owner=0', '--group=0')).tag(BASE);
  let output = '';
  const content = [`FROM ${BASE}`, ...lines].join('\n');
  try {
    await build({
      ...{ context: {}, dockerfile: { content }, pull: 'never', tags: ['attacked/built:1'], ...options },
      onProgress: (event) => {
        if (event.type === 'output' && event.stream === 'stdout') output += event.text;
      },
    });
    return output.trim();
  } catch (error) {
    if (error instanceof NacelleError) return error.message.includes(SECRET) ? SECRET : `refused: ${error.code}`;
    throw error;
  }
}

/** A context whose `link` leads to a folder of the host. */
function linkedContext(): string {
  const path = emptyFolder();
  symlinkSync(hostFile().folder, join(path, 'link'));
  return path;
}

const followed = byHand('cp(1), which follows it', SECRET, () =>
  shell('cp -L "$1/link/secret" "$2/x" && cat "$2/x"', linkedContext(), emptyFolder()),
);

/** While a server of this machine's loopback listens, whether the RUN of a Dockerfile reaches it. */
async function reaching(flags: string, options: BuildOptions): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => undefined).end('reached\n'));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    return await built([`RUN ${flags} nc 127.0.0.1 ${port} < /dev/null 2> /dev/null || echo nobody`], { cache: false, ...options });
  } finally {
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
}

/** Whether a build keeps a secret. */
async function kept(options: BuildOptions): Promise<string> {
  const read = 'RUN --mount=type=secret,id=word [ -n "$WORD" ] || cat /run/secrets/word > /dev/null';
  const said = await built(['ARG WORD', read], options);
  if (said !== '') return said;
  const image = await Image.open('attacked/built:1');
  const archive = join(emptyFolder(), 'image.tar');
  await image.save(archive);
  return shell(SEARCH, archive, process.env.NACELLE_ROOT ?? '', SECRET);
}

/** In an archive's blobs, unpacked too, and in all files of the store. */
const SEARCH = `
  mkdir "$1.d" && tar -xf "$1" -C "$1.d"
  for blob in "$1.d"/blobs/sha256/*; do cat "$blob"; gzip -dc "$blob" 2>/dev/null; done > "$1.all"
  grep -aqs "$3" "$1.all" || grep -arqs "$3" "$2" && echo kept || echo nothing`;

/** What a RUN of somebody else's finds in a cache with the same id. */
async function cached(options: BuildOptions): Promise<string> {
  const mount = 'RUN --mount=type=cache,id=packages,target=/c';
  await built([`${mount} echo "${SECRET}" > /c/left`], { cacheNamespace: 'victim', cache: false });
  return built([`${mount} cat /c/left 2>/dev/null || echo nothing`], { cache: false, ...options });
}

export const builds = [
  attack({
    attack: 'has a link in the context where COPY takes a file',
    source: 'CVE-2024-23651, and links in place of files',
    protection: 'paths are resolved below the context',
    tries: () => built(['COPY link/secret /x', 'RUN cat /x'], { context: linkedContext() }),
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: followed,
  }),
  attack({
    attack: 'climbs out of the context by the path of a COPY',
    source: 'path traversal',
    protection: 'paths are resolved below the context',
    tries: () => {
      const context = join(hostFile().folder, 'context');
      mkdirSync(context);
      return built(['COPY ../secret /x', 'RUN cat /x'], { context });
    },
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: byHand('cp(1)', SECRET, () => {
      const { folder } = hostFile();
      return shell('mkdir "$1/context"; cd "$1/context"; cp ../secret x; cat x', folder);
    }),
  }),
  attack({
    attack: 'has a link in the context where RUN --mount shows a file',
    source: 'CVE-2024-23651',
    protection: 'paths are resolved below the context',
    tries: () => built(['RUN --mount=source=link/secret,target=/x cat /x'], { context: linkedContext() }),
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: followed,
  }),
  attack({
    attack: 'has a link to a file of the host for a Dockerfile, whose lines an error would show',
    source: 'links in place of files',
    protection: 'the Dockerfile’s path is resolved below the context',
    tries: () => built([], { context: linkedContext(), dockerfile: 'link/secret' }),
    on: [{}, 'refused: ERR_INVALID_OPTION'],
    off: followed,
  }),
  attack({
    attack: 'has an archive for ADD that writes to the host by a link',
    source: 'CVE-2024-23652, and links in archives',
    protection: 'the archive is read, and becomes a layer: names in it lead to nowhere but the image',
    tries: async () => {
      const host = hostFile();
      const context = emptyFolder();
      writeFileSync(join(context, 'evil.tar'), evil(host.folder));
      return (await built(['ADD evil.tar /'], { context })) || host.state();
    },
    on: [{}, 'untouched'],
    off: byHand('tar -xP', 'changed', async () => {
      const host = hostFile();
      const folder = emptyFolder();
      writeFileSync(join(folder, 'evil.tar'), evil(host.folder));
      await shell('cd "$1"; tar -xPf evil.tar', folder);
      return host.state();
    }),
  }),
  attack({
    attack: 'has RUN talk to a service of this machine',
    source: 'builds with a network by default',
    protection: 'RUN has no network unless the caller gives one',
    tries: (options: BuildOptions) => reaching('', options),
    on: [{}, 'nobody'],
    off: [{ network: 'host' }, 'reached'],
  }),
  attack({
    attack: 'gives RUN the network of this machine by --network=host',
    source: 'CVE-2024-23653, and other rights that a Dockerfile grants itself',
    protection: 'a Dockerfile gets what the option allow names, and nothing else',
    tries: (options: BuildOptions) => reaching('--network=host', options),
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: [{ allow: ['network.host'] }, 'reached'],
  }),
  attack({
    attack: 'gives RUN all capabilities by --security=insecure, and what is hidden in /proc',
    source: 'CVE-2024-23653, and other rights that a Dockerfile grants itself',
    protection: 'a Dockerfile gets what the option allow names, and nothing else',
    tries: (options: BuildOptions) => built(['RUN --security=insecure grep -q " /proc/keys " /proc/self/mountinfo || echo open'], options),
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: [{ allow: ['security.insecure'] }, 'open'],
  }),
  attack({
    attack: 'looks for a secret of the build in its image and in the store',
    source: 'secrets as build arguments',
    protection: 'a secret is a file in memory of the RUN that names it',
    tries: (options: BuildOptions) => kept(options),
    on: [{ secrets: { word: SECRET } }, 'nothing'],
    off: [{ buildArgs: { WORD: SECRET } }, 'kept'],
  }),
  attack({
    attack: 'reads what another project has left in a cache mount of the same id',
    source: 'cache poisoning',
    protection: 'caches are those of the namespace that the caller names',
    tries: (options: BuildOptions) => cached(options),
    on: [{ cacheNamespace: 'own' }, 'nothing'],
    off: [{ cacheNamespace: 'victim' }, SECRET],
  }),
  attack({
    attack: 'has a link to the host in the path of a mount’s target, where a file would be made to mount upon',
    source: 'CVE-2024-23652',
    protection: 'targets are resolved below the root of the container, and what was made is removed there',
    tries: async () => {
      const host = hostFile();
      const lines = [
        `RUN mkdir -p ${host.folder} && ln -s ${host.folder} /link`,
        `RUN --mount=type=secret,id=word,target=/link/new [ -s ${host.folder}/new ] || echo missing`,
      ];
      return (await built(lines, { secrets: { word: 'x' } })) || host.state();
    },
    on: [{}, 'untouched'],
    off: byHand('a shell that makes the file by its path', 'changed', async () => {
      const host = hostFile();
      await shell('ln -s "$2" "$1/link"; : > "$1/link/new"', emptyFolder(), host.folder);
      return host.state();
    }),
  }),
  attack({
    attack: 'mounts over a part of /proc by RUN --mount',
    source: 'CVE-2019-16884, CVE-2025-31133 and others that mount over /proc',
    protection: 'targets in /proc and /sys are refused',
    tries: () => built(['RUN --mount=type=tmpfs,target=/proc/sys echo mounted']),
    on: [{}, 'refused: ERR_DOCKERFILE'],
    off: { why: 'no option makes a build mount there' },
  }),
];

/** A link to a folder of the host, and a file that is to be written through it. */
function evil(folder: string): Buffer {
  return tarArchive({ name: 'box', type: '2', link: folder }, { name: 'box/secret', data: 'EVIL' });
}
