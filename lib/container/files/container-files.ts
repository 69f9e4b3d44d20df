import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, NacelleError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { withUserNamespace } from '../../host/user-namespace.js';
import { endOf } from '../../native/host-work.js';
import { closeDescriptor, streamedPipe } from '../../native/load-addon.js';
import { goneWorker, readWorker } from '../../native/worker-output.js';
import { holdSource, letSourceGo } from '../../process/streams/held-source.js';
import { ignoreErrors } from '../../process/streams/ignore-errors.js';
import type { ParsedCopyFrom, ParsedCopyTo } from '../options/copy-options.js';
import type { Inside } from '../result/copy-out.js';
import { type Place, planCopyFrom, planCopyTo, planLetGo, planUnpackTo } from './copy-plan.js';

/** Where a container's files are, as long as it is there. */
type Where = Omit<Place, 'users'> & Inside;

/**
 * The files of a container as its programs see them, from its creation until it is removed, whether it runs, stands still or has ended: so
 * long Node keeps its mount namespace.
 */
export class ContainerFiles {
  readonly #id: string;
  readonly #place: Where;
  /** What ends the copies that are under way. */
  readonly #copies = new Set<() => Promise<unknown>>();
  #isClosed = false;

  constructor(id: string, place: Where) {
    this.#id = id;
    this.#place = place;
  }

  async copyFrom({ maxBytes, ...from }: ParsedCopyFrom): Promise<Readable> {
    const what = `copy ${from.path} from the container ${this.#id}`;
    const place = this.#open(what);
    const on = await containerShim();
    const stream = await withUserNamespace(place.maps, (users) =>
      readWorker({ what, on, maxBytes, plan: (output) => planCopyFrom({ ...place, users }, from, output) }),
    );
    const end = (): Promise<void> => goneWorker(stream);
    this.#copies.add(end);
    stream.once('close', () => this.#copies.delete(end));
    // the container may have been removed meanwhile
    if (this.#isClosed) await end();
    this.#open(what);
    return stream;
  }

  async copyTo(to: ParsedCopyTo): Promise<void> {
    const what = `copy to ${to.path} in the container ${this.#id}`;
    const place = this.#open(what);
    if (to.type === 'tar') return this.#unpack(what, place, to);
    const shim = await containerShim();
    const ending = withUserNamespace(place.maps, async (users) => {
      const isFolder = users !== null && to.source !== null && isFolderAt(to.source);
      const { plan, slots } = planCopyTo({ ...place, users }, to, isFolder);
      return endOf(await shim.startPlan(plan, slots.descriptors));
    });
    const failure = await this.#whileOpen(ending, () => ending);
    if (failure) throw failure;
  }

  async #unpack(what: string, place: Where, { path, tar }: Extract<ParsedCopyTo, { type: 'tar' }>): Promise<void> {
    // a stream that fails before it is read has told its reason: the pipeline gives that
    ignoreErrors(tar);
    const { stream: sink, other: output } = streamedPipe('write');
    holdSource(tar);
    try {
      const task = await withUserNamespace(place.maps, async (users) => {
        const { plan, slots } = planUnpackTo({ ...place, users }, path, output);
        const shim = await containerShim();
        return shim.startPlan(plan, slots.descriptors);
      }).finally(() => closeDescriptor(output));
      letSourceGo(tar);
      const feeding = pipeline(tar, sink).catch(async (error: unknown) => {
        // a failure of `close` is ignored: a process that had failed by then tells it by `ended`
        await Promise.allSettled([task.close()]);
        throw error;
      });
      const settled = Promise.allSettled([feeding, task.ended]);
      const [fed, ended] = await this.#whileOpen(settled, () => task.close());
      this.#open(what);
      // a process that ends early breaks the pipe: the reason is then its own
      if (fed.status === 'rejected' && !hasCode(fed.reason, 'EPIPE', 'ECONNRESET')) throw fed.reason;
      if (ended.status === 'rejected') throw ended.reason;
      const { exit } = ended.value;
      if (exit.kind !== 'exited' || exit.value !== 0)
        throw new NacelleError(`${what}: the process that writes was killed`, { code: 'ERR_CHILD' });
    } catch (error) {
      tar.destroy();
      throw error;
    } finally {
      letSourceGo(tar);
      sink.destroy();
    }
  }

  /** Ends what is under way, and lets the mounts go. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.allSettled([...this.#copies].map((end) => end()));
    const { plan, slots } = planLetGo(this.#place);
    const starting = containerShim().then((shim) => shim.startPlan(plan, slots.descriptors));
    const task = await starting.finally(() => this.#place.close());
    await endOf(task);
  }

  #open(what: string): Where {
    if (this.#isClosed) throw new NacelleError(`${what}: it was removed`, { code: 'ERR_CLOSED' });
    return this.#place;
  }

  async #whileOpen<T>(work: Promise<T>, end: () => Promise<unknown>): Promise<T> {
    this.#copies.add(end);
    try {
      return await work;
    } finally {
      this.#copies.delete(end);
    }
  }
}

/** What is not there, or can't be looked at, is left to the process that opens it. */
function isFolderAt(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
