import type { EngineCase } from './engine-case.js';

/** What is asked of docker and of podman in the same words. */
export const COMMON_CASES: readonly EngineCase[] = [
  ['run, and the status of its program', `run base sh -c 'echo hello; exit 5'; echo $?`],
  ['a program that is not there', `run base nowhere >/dev/null 2>&1; echo $?`],
  ['a program that may not be started', `run base /etc/passwd >/dev/null 2>&1; echo $?`],
  ['an init', `run --init base sh -c 'tr "\\0" " " </proc/1/cmdline | cut -d" " -f1; echo'`],
  ['a user with groups', `run --user 1000:33 --group-add 7 base id; run --user app base id`],
  [
    'capabilities',
    `for flags in '' --cap-drop=ALL '--cap-drop=ALL --cap-add=CHOWN' --privileged; do run $flags base grep Cap /proc/self/status; done`,
  ],
  [
    'no new privileges and a filter',
    `run --security-opt no-new-privileges base grep -E 'NoNewPrivs|^Seccomp:' /proc/self/status; run --security-opt seccomp=unconfined base grep ^Seccomp: /proc/self/status`,
  ],
];
