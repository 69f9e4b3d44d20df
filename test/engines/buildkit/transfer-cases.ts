import { type BuildCase, FILES, on } from './cases.js';

/** Makes archives of all kinds that ADD unpacks, with owners, modes, links and times that are the same for both. */
const ARCHIVES = [
  'mkdir -p t/sub t/empty; echo one > t/one; echo two > t/sub/two; chmod 640 t/one; chmod 1777 t/empty',
  'ln -s one t/link; ln -s /etc/passwd t/out; ln t/one t/hard',
  "GNU='--sort=name --mtime=@1000000000 --owner=1000 --group=33 --numeric-owner'",
  'tar $GNU -C t -cf plain.tar .; tar $GNU -C t -cf named.bin one sub; gzip -n < plain.tar > plain.tar.gz',
  'tar $GNU --format=pax -C t -cf pax.tar .; tar $GNU --format=ustar -C t -cf ustar.tar .',
].join('; ');

/** ADD of archives, and the flags --link and --parents. */
export const TRANSFER_CASES: readonly BuildCase[] = [
  // ADD: archives
  { name: 'ADD unpacks a tar', context: ARCHIVES, file: on('ADD plain.tar /x/', 'ADD plain.tar /y', 'ADD plain.tar .') },
  { name: 'ADD unpacks what gzip has compressed', context: ARCHIVES, file: on('ADD plain.tar.gz /x/') },
  { name: 'ADD unpacks by the content, not by the name', context: ARCHIVES, file: on('ADD named.bin /x/', 'ADD named.bin /y') },
  { name: 'ADD unpacks pax and ustar', context: ARCHIVES, file: on('ADD pax.tar /x/', 'ADD ustar.tar /y/') },
  {
    name: 'ADD of a file that is called an archive',
    context: 'echo text > a.tar; echo text > b.tar.gz',
    file: on('ADD a.tar b.tar.gz /x/'),
  },
  { name: 'ADD of an empty file', context: ': > empty.tar', file: on('ADD empty.tar /x/') },
  { name: 'ADD unpacks several', context: ARCHIVES, file: on('ADD named.bin plain.tar.gz /x/') },
  { name: 'ADD of archives and files', context: `${ARCHIVES}; ${FILES}`, file: on('ADD named.bin a d /x/') },
  { name: 'ADD unpacks what a wildcard finds', context: ARCHIVES, file: on('ADD *.tar /x/') },
  { name: 'ADD of a folder with archives', context: `${ARCHIVES}; mkdir in; mv plain.tar in`, file: on('ADD in /x/') },
  { name: 'ADD --chown unpacks', context: ARCHIVES, file: on('ADD --chown=app:web plain.tar /x/', 'ADD --chown=5:6 named.bin /y/') },
  { name: 'ADD --chmod unpacks', context: ARCHIVES, file: on('ADD --chmod=700 plain.tar /x/') },
  {
    name: 'ADD unpacks onto what is there',
    context: ARCHIVES,
    file: on('RUN mkdir -p /x/sub/old && echo old > /x/one', 'ADD plain.tar /x/'),
  },
  {
    name: 'ADD unpacks through a link of the target',
    context: ARCHIVES,
    file: on('RUN ln -s /var /l', 'ADD named.bin /l/', 'ADD named.bin /link/x/'),
  },
  { name: 'ADD unpacks below WORKDIR', context: ARCHIVES, file: on('WORKDIR /w', 'ADD named.bin .', 'ADD named.bin in/') },
  { name: 'ADD --unpack=true', context: ARCHIVES, file: on('ADD --unpack=true plain.tar.gz /x/') },
  { name: 'ADD --unpack=false of several', context: ARCHIVES, file: on('ADD --unpack=false plain.tar named.bin /x/') },
  { name: 'ADD --exclude beside archives', context: `${ARCHIVES}; ${FILES}`, file: on('ADD --exclude=*.bin named.bin a /x/') },
  { name: 'ADD --link unpacks', context: ARCHIVES, file: on('RUN mkdir -p /x/sub/old', 'ADD --link named.bin /x/') },
  // --link
  { name: 'COPY --link', context: FILES, file: on('COPY --link a /x', 'COPY --link d /y/', 'COPY --link a b /z/') },
  { name: 'COPY --link to new folders', context: FILES, file: on('COPY --link a /n/e/w/a', 'COPY --link d /n/e/d') },
  { name: 'COPY --link --chown', context: FILES, file: on('COPY --link --chown=5:6 d /n/x', 'COPY --link --chown=7 a /y/') },
  { name: 'COPY --link --chmod', context: FILES, file: on('COPY --link --chmod=750 d /n/x', 'COPY --link --chmod=600 a /y/') },
  { name: 'COPY --link below WORKDIR', context: FILES, file: on('WORKDIR /w', 'COPY --link a .', 'COPY --link a b/') },
  { name: 'COPY --link --from', context: FILES, file: `FROM test/base:1 AS s\nCOPY --chown=app d /s\n${on('COPY --link --from=s /s /x')}` },
  { name: 'COPY --link --exclude', context: FILES, file: on('COPY --link --exclude=e d /x/') },
  { name: 'COPY --link=false', context: FILES, file: on('COPY --link=false a /link/') },
  // --parents
  { name: 'COPY --parents', context: FILES, file: on('COPY --parents d/c /x/', 'COPY --parents d/e/f a /y/') },
  { name: 'COPY --parents of a folder', context: FILES, file: on('COPY --parents d /x/', 'COPY --parents d/e /y/') },
  { name: 'COPY --parents of wildcards', context: FILES, file: on('COPY --parents */c /x/', 'COPY --parents d/*/f ? /y/') },
  {
    name: 'COPY --parents of **',
    context: `${FILES}; mkdir -p g/h/i; echo x > g/h/i/f`,
    file: on('COPY --parents **/f /x/', 'COPY --parents g/**/f /y/'),
  },
  { name: 'COPY --parents from a point on', context: FILES, file: on('COPY --parents ./d/./e/f /x/', 'COPY --parents d/./e /y/') },
  { name: 'COPY --parents keeps modes', context: `${FILES}; chmod 711 d; chmod 750 d/e`, file: on('COPY --parents d/e/f /x/') },
  { name: 'COPY --parents --chown', context: FILES, file: on('COPY --parents --chown=app:web d/e/f /x/') },
  { name: 'COPY --parents --chmod', context: FILES, file: on('COPY --parents --chmod=640 d/e/f /x/') },
  {
    name: 'COPY --parents --from',
    context: FILES,
    file: `FROM test/base:1 AS s\nCOPY --chown=app d /s/d\n${on('COPY --parents --from=s /s/d/e /x/', 'COPY --parents --from=s /s/./d/c /y/')}`,
  },
  { name: 'COPY --parents --exclude', context: FILES, file: on('COPY --parents --exclude=**/f d /x/') },
  { name: 'COPY --parents --link', context: FILES, file: on('COPY --parents --link d/e/f /x/') },
  {
    name: 'COPY --parents onto what is there',
    context: FILES,
    file: on('RUN mkdir -p /x/d && chown app /x/d && chmod 700 /x/d', 'COPY --parents d/c /x/'),
  },
];
