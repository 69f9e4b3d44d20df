/**
 * What `--debug` tells of `create`, `run` and `exec`, in words of runc's that its tests look for (tests/integration/debug.bats). They are the names of runc's own steps:
 * here they say that the plan is carried out from now on, that there is a process, and that this one waits for its start.
 */
export const SETTING_UP = 'nsexec container setup';
export const IS_THERE = 'child process in init()';
export const WAITS = 'init: closing the pipe to signal completion';
