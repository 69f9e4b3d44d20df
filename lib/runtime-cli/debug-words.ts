/**
 * What `--debug` tells of `create`, `run` and `exec`, in words of runc's that its tests look for (tests/integration/debug.bats and exec.bats). They are the names of runc's own steps:
 * here they say that the plan is carried out from now on, that there is a process, and that this one waits for its start; a program of `exec` waits for nobody.
 */
export const SETTING_UP = 'nsexec container setup';
export const IS_THERE = 'child process in init()';
export const RUNS = 'setns_init: about to exec';
export const WAITS = 'init: closing the pipe to signal completion';
