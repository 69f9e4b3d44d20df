// Generated from protocol.h and channel.h in addon/shim/wire by scripts/generate.mjs. Change these files, not this one.

export const Request = {
  start: 1,
  descriptors: 2,
  release: 3,
  call: 4,
  kill: 5,
  close: 6,
  rest: 7,
  startLater: 8,
  go: 9,
  again: 10,
  status: 11,
  pool: 12,
  part: 13,
  hello: 256,
  list: 257,
  attach: 258,
  watch: 259,
  tell: 260,
  speak: 261,
  upgrade: 262,
} as const;

export const Event = {
  started: 1,
  running: 2,
  called: 3,
  ended: 4,
  failed: 5,
  removed: 6,
  died: 7,
  health: 8,
  denied: 9,
  ahead: 10,
  refused: 11,
  traced: 12,
  ready: 13,
  over: 14,
  undone: 15,
  spent: 16,
  welcome: 256,
  listed: 257,
  attached: 258,
  notice: 259,
  upgraded: 260,
} as const;

/** What a task is at, as others than its starter see it. */
export const TaskState = {
  setUp: 0,
  created: 1,
  running: 2,
  ending: 3,
  ended: 4,
  between: 5,
} as const;

/** What a notice tells of a task. */
export const NoticeKind = {
  there: 0,
  created: 1,
  started: 2,
  ended: 3,
  killed: 4,
  removed: 5,
  told: 6,
  programStarted: 7,
  programEnded: 8,
} as const;

/** Why a tree was killed, as the shim or the caller knew it when it sent the kill. The first one stands. */
export const causes = ['none', 'caller', 'wall-time', 'cpu-time', 'output', 'cancel', 'owner', 'health'] as const;

/** Where a step failed: the number of its stage, or one of these. */
export const Where = { prepare: -1, call: -2, undo: -3, clone: -4, plan: -5, end: -6, removal: -7, prepareAgain: -8, run: -9, stagesAgain: 16 } as const;

/** Bytes of one message. Past it the shim would take the connection for broken. */
export const MAX_BODY = 67108864;

/** Bytes that a client may have told to those who watch. */
export const MAX_WORDS = 4096;

/** Of one message between Node and the shim: SCM_MAX_FD of the kernel. */
export const MAX_DESCRIPTORS = 253;

/** Of one message between the shim and the container's process. */
export const MAX_CHANNEL_DESCRIPTORS = 16;
