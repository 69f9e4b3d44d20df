import type { Action } from './profile.js';

/** SECCOMP_RET_* of linux/seccomp.h: what a filter returns for the action. */
export function returnValue(action: Action): number {
  switch (action) {
    case 'allow':
      return 0x7fff_0000;
    case 'log':
      return 0x7ffc_0000;
    case 'notify':
      return 0x7fc0_0000;
    case 'trap':
      return 0x0003_0000;
    case 'kill-thread':
      return 0;
    case 'kill-process':
      return 0x8000_0000;
    default:
      return 'trace' in action ? 0x7ff0_0000 | (action.trace & 0xffff) : 0x0005_0000 | (action.errno & 0xffff);
  }
}

/** The kernel's order among the filters of a process: of two actions that with the lower number holds. Two errnos are equal. */
export function precedence(action: Action): number {
  // killing the process is the lowest as a signed number
  return (returnValue(action) & 0xffff_0000) | 0;
}

/** Whether a process can end by it with SIGSYS. */
export function kills(action: Action): boolean {
  return action === 'kill-process' || action === 'kill-thread' || action === 'trap';
}

/** Whether the call is made, for all that the filter says of it. A tracer may let it be made too. */
export function allows(action: Action): boolean {
  return action === 'allow' || action === 'log' || (typeof action === 'object' && 'trace' in action);
}
