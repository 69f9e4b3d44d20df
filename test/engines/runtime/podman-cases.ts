import { COMMON_CASES } from './common-cases.js';
import type { EngineCase } from './engine-case.js';

/** What is asked of podman. `podman`, `run` and `start` name the runtime; the two latter have no network, and `start` calls the container `one`. */
export const PODMAN_CASES: readonly EngineCase[] = [
  ...COMMON_CASES,
  ['standard input', `echo typed | run -i base cat`],
  ['a terminal', `run -t base sh -c 'tty; test -t 0 && test -t 1 && echo both'`],
  [
    'a root that is read-only',
    `run --read-only --tmpfs /data:size=1m,mode=700 base sh -c 'touch /file 2>&1; touch /data/file && stat -c %a /data'`,
  ],
  [
    'volumes',
    `mkdir -p /work/shared; echo shared >/work/shared/file; run -v /work/shared:/one -v /work/shared:/two:ro base sh -c 'cat /one/file; touch /two/file 2>&1'`,
  ],
  ['a user namespace', `run --uidmap 0:100000:1000 --gidmap 0:100000:1000 base sh -c 'id -u; cat /proc/self/uid_map | tr -s " "'`],
  [
    'limits of groups',
    `run --memory 64m --pids-limit 20 --cpus 0.5 base sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us memory.max pids.max cpu.max 2>/dev/null'`,
  ],
  [
    'exec',
    `start -e KEPT=yes base sleep 1000; podman exec -e MORE=too -w /tmp -u app one sh -c 'echo $KEPT $MORE; pwd; id -u; exit 7'; echo $?; podman exec -t one tty; echo typed | podman exec -i one cat; podman exec one nowhere >/dev/null 2>&1; echo $?; podman exec --preserve-fds 1 one sh -c 'cat <&3' 3<<<given`,
  ],
  [
    'top and statistics',
    `start base sh -c 'sleep 1000 & wait'; podman top one args; podman stats --no-stream --format '{{.Name}} {{.PIDs}}' one`,
  ],
  [
    'pause',
    `start base sleep 1000; podman pause one; podman inspect -f '{{.State.Status}}' one; podman unpause one; podman inspect -f '{{.State.Status}}' one`,
  ],
  [
    'update',
    `start --memory 64m base sleep 1000; podman update --memory 48m --pids-limit 30 one >/dev/null; podman exec one sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max memory.max pids.max 2>/dev/null'`,
  ],
  [
    'logs',
    `start base sh -c 'echo one; echo two >&2; sleep 1000'; until [ $(podman logs one 2>&1 | wc -l) = 2 ]; do sleep 0.2; done; podman logs one`,
  ],
  [
    'kill, stop and start',
    `start base sh -c 'trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done'; until podman logs one | grep -q ready; do sleep 0.2; done; podman stop one; podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' one; podman start one; podman kill one; podman wait one`,
  ],
  [
    'health',
    `start --health-cmd 'test -e /tmp/well' --health-interval disable base sleep 1000; podman healthcheck run one >/dev/null; echo $?; podman exec one touch /tmp/well; podman healthcheck run one; echo $?`,
  ],
  [
    'a pod',
    `podman pod create --name pod --network none --share net,ipc,uts --hostname shared >/dev/null; podman run -d $LIMITS --pod pod --name one base sleep 1000 >/dev/null; podman run --rm $LIMITS --pod pod base sh -c 'hostname; ip -o link | cut -d: -f2'; podman pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'; podman pod stop -t 0 pod >/dev/null; podman pod rm -f pod >/dev/null; echo $?`,
  ],
  [
    'namespaces of another',
    `start base sleep 1000; run --pid container:one base ps -o comm,args | grep -c 'sleep 1000'; podman run --rm $LIMITS --network container:one base ip -o link | cut -d: -f2`,
  ],
  [
    'files in and out',
    `start base sleep 1000; echo copied >/work/copied; podman cp /work/copied one:/tmp/copied; podman exec one cat /tmp/copied; podman diff one | sort`,
  ],
  [
    'create, start and remove',
    `podman create --network none --name one base sh -c 'echo late' >/dev/null; podman start -a one; podman rm one; podman ps -aq | wc -l`,
  ],
  [
    'a build',
    `printf 'FROM base\\nRUN echo built >/file\\n' | podman build -q --runtime "$RUNTIME" --network none -t made -f - >/dev/null; run made cat /file; podman rmi made >/dev/null`,
  ],
];
