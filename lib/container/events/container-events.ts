import * as z from 'zod';
import { abortSignal, text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { ContainerEvent, EventOptions } from '../options/event-types.js';
import { DetachedEvents } from './detached-events.js';
import { EventStream } from './event-stream.js';
import { hearOwn } from './own-events.js';

const schema = z.strictObject({ cancelSignal: abortSignal.optional(), labels: z.record(text, text).optional() });

/** As `Container.events`. Each loop has events of its own, from its beginning on. */
export function containerEvents(options: EventOptions): AsyncIterable<ContainerEvent> {
  const { cancelSignal, labels = {} } = parseOptions(schema, options, 'options');
  const wanted = Object.entries(labels);
  return { [Symbol.asyncIterator]: () => open(cancelSignal, (event) => wanted.every(([key, value]) => event.labels[key] === value)) };
}

function open(cancelSignal: AbortSignal | undefined, isWanted: (event: ContainerEvent) => boolean): EventStream {
  let detached: DetachedEvents | null = null;
  const stream = new EventStream({
    onWaiting: (isWaiting) => {
      if (detached) detached.keepsAlive = isWaiting;
    },
    onEnd: () => {
      cancelSignal?.removeEventListener('abort', abort);
      forgetOwn();
      detached?.close();
    },
  });
  const push = (event: ContainerEvent): void => {
    if (isWanted(event)) stream.push(event);
  };
  const fail = (error: unknown): void => stream.fail(error);
  const abort = (): void => stream.fail(cancelSignal?.reason);
  const forgetOwn = hearOwn(push);
  cancelSignal?.addEventListener('abort', abort);
  if (cancelSignal?.aborted) {
    abort();
    return stream;
  }
  try {
    detached = new DetachedEvents({ push, fail });
  } catch (error) {
    fail(error);
  }
  return stream;
}
