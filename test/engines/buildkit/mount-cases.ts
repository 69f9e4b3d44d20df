import { type BuildCase, FILES, on } from './cases.js';

/** What a RUN with mounts sees, which its files tell, and what is left of the places that were mounted upon. */
export const MOUNT_CASES: readonly BuildCase[] = [
  { name: 'RUN --mount=type=bind', context: FILES, file: on('RUN --mount=source=d,target=/m cp -a /m /x') },
  { name: 'RUN --mount of a file', context: FILES, file: on('RUN --mount=source=a,target=/m/a cat /m/a > /x') },
  {
    name: 'RUN --mount of the whole context',
    context: FILES,
    file: on('RUN --mount=target=/m find /m -exec stat -c "%n %A %u:%g %s" {} + | sort > /x'),
  },
  {
    name: 'RUN --mount leaves out what is ignored',
    context: `${FILES}; echo d/c > .dockerignore`,
    file: on('RUN --mount=target=/m find /m | sort > /x'),
  },
  { name: 'RUN --mount is read-only', context: FILES, file: on('RUN --mount=source=d,target=/m touch /m/new || echo refused > /x') },
  {
    name: 'RUN --mount with rw throws away',
    context: FILES,
    file: on('RUN --mount=source=d,target=/m,rw touch /m/new && ls /m > /x', 'RUN ls -d /m > /y || echo none > /y'),
  },
  { name: 'RUN --mount below WORKDIR', context: FILES, file: on('WORKDIR /w', 'RUN --mount=source=d,target=m ls /w/m > /x') },
  {
    name: 'RUN --mount from a stage',
    context: FILES,
    file: `FROM test/base:1 AS s\nCOPY --chown=app d /s\n${on('RUN --mount=from=s,source=/s,target=/m stat -c "%n %A %u:%g %s" /m/* > /x')}`,
  },
  {
    name: 'RUN --mount through a link of the source',
    context: `${FILES}; ln -s d l`,
    file: on('RUN --mount=source=l,target=/m ls /m > /x'),
  },
  { name: 'RUN --mount of what is missing', context: FILES, file: on('RUN --mount=source=none,target=/m ls /m') },
  {
    name: 'RUN --mount onto a folder with files',
    context: FILES,
    file: on('RUN mkdir /m && touch /m/own', 'RUN --mount=source=d,target=/m ls /m > /x', 'RUN ls /m > /y'),
  },
  {
    name: 'RUN --mount onto a file',
    context: FILES,
    file: on('RUN echo own > /m', 'RUN --mount=source=a,target=/m cat /m > /x', 'RUN cat /m > /y'),
  },
  {
    name: 'RUN --mount through a link of the target',
    context: FILES,
    file: on('RUN ln -s /var /m', 'RUN --mount=source=d,target=/m/in ls /var/in > /x'),
  },
  { name: 'RUN --mount twice', context: FILES, file: on('RUN --mount=source=d,target=/m --mount=source=a,target=/n/a ls /m /n > /x') },
  {
    name: 'RUN --mount in another one',
    context: FILES,
    file: on('RUN --mount=type=tmpfs,target=/m --mount=source=a,target=/m/in/a ls -R /m > /x'),
  },
  {
    name: 'RUN writes below a mount’s folder',
    context: FILES,
    file: on('RUN --mount=source=a,target=/m/in/a touch /m/beside', 'RUN find /m > /x'),
  },
  {
    name: 'RUN --mount with variables',
    context: FILES,
    file: on('ARG WHERE=/m', 'ENV WHAT=d', 'RUN --mount=source=$WHAT,target=${WHERE}/in ls /m/in > /x'),
  },
  {
    name: 'RUN --mount=type=tmpfs',
    file: on('RUN --mount=type=tmpfs,target=/m stat -c "%a %u:%g" /m > /x && touch /m/y', 'RUN ls /m > /y || echo none > /y'),
  },
  {
    name: 'RUN --mount=type=tmpfs with a size',
    file: on('RUN --mount=type=tmpfs,target=/m,size=1m df -k /m | awk "END { print \\$2 }" > /x'),
  },
  {
    name: 'RUN --mount=type=cache',
    file: on(
      'RUN --mount=type=cache,id=one,target=/m stat -c "%a %u:%g" /m > /x && echo 1 > /m/y',
      'RUN --mount=type=cache,id=one,target=/n cat /n/y > /z',
    ),
  },
  {
    name: 'RUN --mount=type=cache with owner and mode',
    file: on('RUN --mount=type=cache,id=two,target=/m,mode=0700,uid=5,gid=6 stat -c "%a %u:%g" /m > /x'),
  },
  {
    name: 'RUN --mount=type=cache from a stage',
    context: FILES,
    file: `FROM test/base:1 AS s\nCOPY d /s\n${on('RUN --mount=type=cache,id=three,from=s,source=/s,target=/m ls /m > /x')}`,
  },
  {
    name: 'RUN --mount=type=cache that is read-only',
    file: on('RUN --mount=type=cache,id=four,target=/m,ro touch /m/x 2> /dev/null || echo refused > /x'),
  },
  {
    name: 'RUN --mount=type=secret that nobody gives',
    file: on('RUN --mount=type=secret,id=none ls /run/secrets 2> /dev/null > /x || echo missing > /x'),
  },
  { name: 'RUN --mount=type=secret that is required', file: on('RUN --mount=type=secret,id=none,required ls /') },
  { name: 'RUN --mount=type=ssh that nobody gives', file: on('RUN --mount=type=ssh echo "[$SSH_AUTH_SOCK]" > /x') },
  { name: 'RUN --mount=type=ssh that is required', file: on('RUN --mount=type=ssh,required ls /') },
  { name: 'RUN --mount of another type', file: on('RUN --mount=type=none,target=/m ls /') },
  { name: 'RUN --mount without a target', file: on('RUN --mount=type=tmpfs ls /') },
  { name: 'RUN --mount at the root', file: on('RUN --mount=type=tmpfs,target=/ ls /') },
  {
    name: 'RUN --mount in ONBUILD',
    context: FILES,
    file: `FROM test/base:1 AS b\nONBUILD RUN --mount=type=tmpfs,target=/m touch /x\nFROM b`,
  },
];
