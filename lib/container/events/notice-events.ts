import { decodeEnded, decodeKilled, decodeProgramEnded, type Notice } from '../../native/messages.js';
import { NoticeKind } from '../../native/protocol.js';
import type { RunEnd } from '../../native/task.js';
import type { ContainerHappening } from '../options/event-types.js';
import { endOf, execDie, type Judged, killOf } from './happenings.js';
import { execIn, toldIn } from './words.js';

/** What a notice of a detached container's shim says; nothing where it is of a kind that only newer versions know. Pure. */
export function happeningsIn({ kind, body }: Notice, record: Judged): ContainerHappening[] {
  switch (kind) {
    case NoticeKind.created:
      return [{ type: 'create' }];
    case NoticeKind.started:
      return [{ type: 'start' }];
    case NoticeKind.ended:
      return endOf(record, knownEnd(body));
    case NoticeKind.killed:
      return [killOf(decodeKilled(body))];
    case NoticeKind.removed:
      return [{ type: 'destroy' }];
    case NoticeKind.told:
      return [toldIn(body)].filter((told) => told !== null);
    case NoticeKind.programStarted: {
      const words = execIn(body);
      return words === null ? [] : (['exec_create', 'exec_start'] as const).map((type) => ({ type, ...words }));
    }
    case NoticeKind.programEnded: {
      const { words, end } = decodeProgramEnded(body);
      const of = execIn(words);
      return of === null ? [] : [execDie(of.execId, knownEnd(end))];
    }
    default:
      return [];
  }
}

/** `null` for a program that never ran, since it failed. */
function knownEnd(body: Buffer): RunEnd | null {
  const { failure, ...end } = decodeEnded(body);
  return failure === null ? end : null;
}
