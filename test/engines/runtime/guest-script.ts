import type { EngineCase } from './engine-case.js';

export interface EngineCases {
  readonly engine: 'docker' | 'podman' | 'buildah';
  readonly cases: readonly EngineCase[];
}

/** The runtimes by the path of their program. The first is the one that the other is compared with. */
export const RUNTIMES = { runc: '/usr/sbin/runc', nacelle: '/usr/local/bin/nacelle-oci' } as const;

/** What a case prints that did not end by itself. */
export const TOO_LONG = 'did not end';

/** What the scripts of an engine's cases begin with. */
const BEFORE: Record<EngineCases['engine'], string> = {
  docker: `run() { docker run --rm --runtime "$RUNTIME" --network none "$@"; }
start() { docker run -d --name one --runtime "$RUNTIME" --network none "$@" >/dev/null; }
docker() { command docker "$@" 2> >(grep -v '^WARNING' >&2); }`,
  podman: `podman() { case $1 in run|create|start|exec|pause|unpause|kill|stop|rm|update|pod|top|stats|healthcheck|inspect|wait|logs|cp|diff|ps) command podman --runtime "$RUNTIME" "$@";; *) command podman "$@";; esac; }
run() { podman run --rm --network none $LIMITS "$@"; }
start() { podman run -d --name one --network none $LIMITS "$@" >/dev/null; }
LIMITS='--ulimit=nofile=1024:1024 --ulimit=nproc=1000:1000'`,
  buildah: '',
};

/** What ends a case, whatever has become of it. */
const AFTER: Record<EngineCases['engine'], string> = {
  docker: 'docker rm -f one >/dev/null 2>&1',
  podman: 'podman rm -f -t 0 one >/dev/null 2>&1; podman pod rm -f -t 0 pod >/dev/null 2>&1',
  buildah: 'buildah rm one >/dev/null 2>&1',
};

/** The script that runs in the root folder: each case with each runtime, after a line that names both. /work/base.tar is the image. */
export function guestScript(all: readonly EngineCases[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const names = Object.entries(RUNTIMES);
  const calls = all.flatMap(({ engine, cases }) =>
    cases.flatMap(([name, script]) =>
      names.map(([runtime, path]) => {
        // docker knows runtimes by their names
        const variable = `RUNTIME=${engine === 'docker' ? runtime : path}`;
        const text = `${BEFORE[engine]}\n${script}\nexit 0`;
        return `echo ${quoted(`== ${engine}, ${runtime}: ${name}`)}; ${variable} timeout 120 bash -c ${quoted(text)} || echo "${TOO_LONG}"; ${AFTER[engine]}`;
      }),
    ),
  );
  return `exec 2>&1
export PODMAN_IGNORE_CGROUPSV1_WARNING=1 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
# what an earlier daemon has left there is not this one's
mount -t tmpfs tmpfs /run
node /opt/nacelle/dist/nacelle-oci.cjs install ${RUNTIMES.nacelle} || exit 1
if command -v dockerd >/dev/null; then
  dockerd --add-runtime nacelle=${RUNTIMES.nacelle} --iptables=false --ip6tables=false --ip-forward=false --log-level=error >/work/dockerd.log 2>&1 &
  for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
  docker version >/dev/null || { cat /work/dockerd.log; exit 1; }
  docker import - base </work/base.tar >/dev/null
fi
podman import -q /work/base.tar base >/dev/null
${calls.join('\n')}
exit 0
`;
}
