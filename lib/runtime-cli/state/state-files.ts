/** The names of what is in the folder of a container's state. */

/** The record: JSON, which is replaced by rename(2). */
export const RECORD = 'state.json';
/** A named pipe at whose other end the process waits for a byte. While it has this name the container is created, and not started. */
export const GO = 'start';
/** The same pipe from the moment on that somebody starts the container. */
export const GOING = 'starting';
/** A named pipe in which the process tells of a step that fails after its start. */
export const TOLD = 'failed';
/** The container's groups: JSON, written before they are made. Whoever makes them may be killed before there is a record. */
export const GROUPS = 'groups.json';
/** What the front does by itself (lib/runtime-cli/front). */
export const PLANS = 'plans';
/** Locked by whoever makes, starts or removes the container. */
export const LOCK = 'lock';
/** The folder of the socket by which the container tells that it is ready; it is bound there. */
export const NOTIFY = 'notify';
