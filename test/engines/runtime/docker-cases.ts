import { COMMON_CASES } from './common-cases.js';
import type { EngineCase } from './engine-case.js';

/** What is asked of docker. `run` and `start` name the runtime, have no network, and call the container `one` by `start`. */
export const DOCKER_CASES: readonly EngineCase[] = [
  ...COMMON_CASES,
  ['a signal that ends the program', `run base sh -c 'kill -9 $$'; echo $?`],
  ['standard input', `echo typed | run -i base cat; echo $?`],
  ['a terminal', `run -t base sh -c 'tty; test -t 0 && test -t 1 && echo both; ls -l /dev/console | cut -c1'`],
  [
    'what the filter refuses',
    `run base sh -c 'unshare -U true 2>&1; mount -t tmpfs none /tmp 2>&1; date -s 2000-01-01 >/dev/null 2>&1; echo $?'`,
  ],
  [
    'a root that is read-only',
    `run --read-only --tmpfs /data:size=1m,mode=700 base sh -c 'touch /file 2>&1; touch /data/file && stat -c %a /data; grep " /data " /proc/mounts'`,
  ],
  [
    'volumes',
    `mkdir -p /work/shared; echo shared >/work/shared/file; run -v /work/shared:/one -v /work/shared:/two:ro -v named:/three base sh -c 'cat /one/file; touch /two/file 2>&1; echo kept >/three/file'; run -v named:/three base cat /three/file; docker volume rm named`,
  ],
  [
    'names of the machine',
    `run --hostname other --domainname example.org --add-host known:10.0.0.1 base sh -c 'hostname; cat /proc/sys/kernel/domainname; grep known /etc/hosts'`,
  ],
  ['limits of processes', `run --ulimit nofile=100:200 --ulimit core=0 base sh -c 'ulimit -n; ulimit -Hn; ulimit -c'`],
  [
    'sysctls',
    `run --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=4096 base sh -c 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax'`,
  ],
  [
    'devices',
    `run --device /dev/zero:/dev/other:r base sh -c 'ls -l /dev/other | cut -c1; head -c 3 /dev/other | wc -c; echo x 2>/dev/null >/dev/other; echo $?'`,
  ],
  ['shared memory', `run --shm-size 1m base sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'`],
  [
    'limits of groups',
    `run --memory 64m --pids-limit 20 --cpus 0.5 --cpuset-cpus 0 base sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus memory.max pids.max cpu.max cpuset.cpus 2>/dev/null'`,
  ],
  ['memory past its limit', `run --memory 32m --memory-swap 32m base sh -c 'tail -c 100m /dev/zero' >/dev/null 2>&1; echo $?`],
  [
    'masked and read-only paths',
    `run base sh -c 'ls -A /proc/acpi /sys/firmware; cat /proc/kcore | wc -c; echo x 2>&1 >/proc/sys/kernel/hostname'`,
  ],
  [
    'namespaces of another',
    `start base sleep 1000; run --pid container:one base ps -o comm,args | grep -c 'sleep 1000'; run --network container:one base ip -o link | cut -d: -f2; run --ipc container:one base true; echo $?`,
  ],
  [
    'exec',
    `start -e KEPT=yes base sleep 1000; docker exec -e MORE=too -w /tmp -u app one sh -c 'echo $KEPT $MORE; pwd; id -u; exit 7'; echo $?; docker exec -t one tty; echo typed | docker exec -i one cat; docker exec one nowhere >/dev/null 2>&1; echo $?; docker exec --privileged one grep CapEff /proc/self/status; docker exec -d one touch /tmp/done; until docker exec one test -e /tmp/done; do sleep 0.2; done`,
  ],
  [
    'top and statistics',
    `start base sh -c 'sleep 1000 & wait'; docker top one -o pid,args | tr -s ' ' | cut -d' ' -f2-; docker stats --no-stream --format '{{.Name}} {{.PIDs}}' one`,
  ],
  [
    'pause',
    `start base sleep 1000; docker pause one; docker inspect -f '{{.State.Status}}' one; docker exec one true 2>&1 | sed 's/container [0-9a-f]* /container ID /'; docker unpause one; docker inspect -f '{{.State.Status}}' one`,
  ],
  [
    'update',
    `start --memory 64m base sleep 1000; docker update --memory 48m --memory-swap 48m --pids-limit 30 --cpu-shares 512 one; cd /sys/fs/cgroup; id=$(docker inspect -f '{{.Id}}' one); cat {.,memory,pids,cpu}/docker/$id/{memory.max,memory.limit_in_bytes,pids.max,cpu.weight,cpu.shares} 2>/dev/null`,
  ],
  [
    'logs',
    `start base sh -c 'echo one; echo two >&2; sleep 1000'; until [ $(docker logs one 2>&1 | wc -l) = 2 ]; do sleep 0.2; done; docker logs one; docker logs --tail 1 one 2>&1 | wc -l`,
  ],
  [
    'kill and wait',
    `start base sh -c 'trap "exit 3" USR1; echo ready; while :; do sleep 0.1; done'; until docker logs one | grep -q ready; do sleep 0.2; done; docker kill -s USR1 one; docker wait one`,
  ],
  [
    'stop, start and restart',
    `start base sh -c 'trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done'; until docker logs one | grep -q ready; do sleep 0.2; done; docker stop one; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' one; docker start one; docker restart -t 1 one; docker inspect -f '{{.State.Running}}' one`,
  ],
  [
    'a program that is started again',
    `start --restart on-failure:2 base sh -c 'exit 6'; docker wait one >/dev/null; until [ "$(docker inspect -f '{{.State.Status}}' one)" = exited ]; do sleep 0.2; done; docker inspect -f '{{.RestartCount}} {{.State.ExitCode}}' one`,
  ],
  [
    'health',
    `start --health-cmd 'test -e /tmp/well' --health-interval 200ms --health-retries 1 base sleep 1000; until [ "$(docker inspect -f '{{.State.Health.Status}}' one)" = unhealthy ]; do sleep 0.2; done; docker exec one touch /tmp/well; until [ "$(docker inspect -f '{{.State.Health.Status}}' one)" = healthy ]; do sleep 0.2; done; echo healthy`,
  ],
  [
    'files in and out',
    `start base sleep 1000; echo copied >/work/copied; docker cp -q /work/copied one:/tmp/copied; docker exec one cat /tmp/copied; docker cp -q one:/etc/passwd - | tar -t; docker diff one | sort`,
  ],
  [
    // what a container says as it ends may not come to who is attached, whatever the runtime
    'attach',
    `start -i base sh -c 'read line; echo got $line; read line'; { echo typed; until docker logs one | grep -q got; do :; done; echo end; } | docker attach one; docker wait one`,
  ],
  [
    'create, start and remove',
    `docker create --runtime "$RUNTIME" --network none --name one base sh -c 'echo late' >/dev/null; docker start -a one; docker rm one; docker ps -aq | wc -l`,
  ],
  [
    'a build',
    `printf 'FROM base\\nRUN echo built >/file\\n' | DOCKER_BUILDKIT=0 docker build -q --network none -t made - >/dev/null 2>&1; run made cat /file; docker rmi made >/dev/null`,
  ],
];
