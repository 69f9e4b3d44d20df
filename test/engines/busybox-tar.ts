import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/**
 * A tar of busybox with all its names, a user and a group: the same base for all engines.
 *
 * @param busybox a static one
 * @param folder where the files are made
 */
export function busyboxTar(busybox: string, folder: string): Buffer {
  const script = [
    'mkdir -p bin etc tmp usr/bin var root dev proc sys; chmod 1777 tmp; ln -s usr/bin link',
    `cp ${busybox} bin/; for one in $(bin/busybox --list); do [ $one = busybox ] || ln -sf busybox bin/$one; done`,
    String.raw`printf '#!/bin/sh\nexec /bin/sh "$@"\n' > bin/bash; chmod 755 bin/bash`,
    String.raw`printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > etc/passwd`,
    String.raw`printf 'root:x:0:\napp:x:1001:\nweb:x:33:app\nnobody:x:65534:\n' > etc/group`,
  ];
  mkdirSync(folder, { recursive: true });
  execFileSync('sh', ['-ec', script.join('\n')], { cwd: folder });
  return execFileSync('tar', ['-C', folder, '--sort=name', '--mtime=@1000000000', '--owner=0', '--group=0', '-c', '.'], {
    maxBuffer: 1 << 28,
  });
}
