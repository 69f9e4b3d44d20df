const STREAMS = ['stdin', 'stdout', 'stderr'];

/** What a path names that is each process's own, such as /dev/fd/3, for another process than the one that named it. Pure. */
export function pathOfCaller(pid: number, path: string): string {
  const [, own, rest = ''] = /^\/(proc\/(?:thread-)?self|dev\/fd|dev\/std(?:in|out|err))(\/.*)?$/s.exec(path) ?? [];
  if (own === undefined) return path;
  const [folder = '', name = ''] = own.split('/');
  if (folder === 'proc') return `/proc/${pid}${rest}`;
  return `/proc/${pid}/fd${name === 'fd' ? '' : `/${STREAMS.indexOf(name)}`}${rest}`;
}
