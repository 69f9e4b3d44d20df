import { isDeepStrictEqual } from 'node:util';
import type { GroupPlan } from '../../cgroup/group-plan.js';
import { UnsupportedError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { networkNamespaceOf } from '../../host/locate.js';
import type { ImageConfig } from '../../image/formats/image-config.js';
import { parseReference } from '../../image/formats/reference.js';
import type { Image } from '../../image/image.js';
import { findReferred } from '../../image/store/stored-images.js';
import type { Shim } from '../../native/shim.js';
import type { CpuClock } from '../../plan/plan.js';
import { unlessAborted } from '../../process/abort.js';
import type { ParsedOptions } from '../options/container-options.js';
import { mayBePooled } from '../plan/pool-plan.js';
import { cpuClockOf } from '../start/container-group.js';
import { usesPlugins } from '../start/container-networks.js';
import { requireUsers } from '../start/container-users.js';
import type { Prepared } from '../start/prepare.js';
import { requireWithoutRoot } from '../start/without-root.js';
import { JoinedAhead } from './joined-ahead.js';
import { haveTheirOwn, OwnParts } from './own-parts.js';
import { type ParkedContainer, parkedFor } from './parked-container.js';
import type { PooledParts } from './pooled-parts.js';
import { SharedPart } from './shared-part.js';
import { FOLDER } from './shown-root.js';
import { ShownSources } from './shown-sources.js';

/** What containers show of the host, as it was when they were begun. */
interface Shown {
  readonly paths: ShownSources;
  /** The network namespace of the container whose network they share. */
  readonly network: number | null;
}

/** The containers of one shape that wait in the shim. */
export class ParkedContainers {
  readonly #options: ParsedOptions;
  readonly #parts: PooledParts;
  readonly #shown: Shown;
  #closed: Promise<void> | null = null;

  protected constructor(options: ParsedOptions, parts: PooledParts, shown: Shown) {
    this.#options = options;
    this.#parts = parts;
    this.#shown = shown;
  }

  /** Prepares, plans and encodes, and has the shim begin. @throws as `Container.run` */
  static async begin(options: ParsedOptions, count: number): Promise<ParkedContainers> {
    const { of, shown } = await groundFor(options, count);
    const parts = haveTheirOwn(options) ? await OwnParts.begin(options, of) : await SharedPart.begin(options, of);
    return new ParkedContainers(options, parts, shown);
  }

  get ready(): number {
    return this.#parts.ready;
  }

  /** Resolves when all wait. @throws why one could not be made */
  get begun(): Promise<void> {
    return this.#parts.begun;
  }

  /**
   * Whether their supervisor lives, and what these show of the host is what a container would show that is begun now. Of the host as an image they
   * show nothing that is to be hidden since.
   */
  async isCurrent(): Promise<boolean> {
    if (this.#parts.isOver || !this.#shown.paths.isCurrent() || !(await this.#isOfSharedNetwork())) return false;
    return this.#parts.root?.isCurrent() ?? true;
  }

  /** Whether each change of what these show of the host can be noticed. */
  get isWatched(): boolean {
    return this.#parts.root?.isWatched ?? true;
  }

  /** The container whose network they share may have been started again since, or have ended: then a run hears of that. */
  async #isOfSharedNetwork(): Promise<boolean> {
    if (this.#options.networkOf === null) return true;
    return sharedNetwork(this.#options).then(
      (network) => network === this.#shown.network,
      () => false,
    );
  }

  /** Takes one for a run with these options; `null`: none waits, or none can have them. */
  take(options: ParsedOptions): ParkedContainer | null {
    return this.canHave(options) ? parkedFor(this.#parts.take(), options) : null;
  }

  protected canHave(options: ParsedOptions): boolean {
    const { table, group } = this.#parts.sample;
    return mayBePooled(options, table) && clockOf(options, group) !== null;
  }

  /**
   * Undoes those that wait; runs that have taken one go on. Resolves when the mounts are gone too of all that has ended when `runs` has. Idempotent.
   *
   * @throws what could not be undone
   */
  close(runs?: Promise<unknown>): Promise<void> {
    this.#closed ??= this.#parts.close(runs);
    return this.#closed;
  }
}

/** Containers that differ in their names alone: a run may wait for the next one. */
export class SharedContainers extends ParkedContainers {
  readonly #part: SharedPart;
  readonly #joined = new JoinedAhead();
  readonly #imageConfig: ImageConfig | null;

  private constructor(options: ParsedOptions, part: SharedPart, { shown, imageConfig }: { shown: Shown; imageConfig: ImageConfig | null }) {
    super(options, part, shown);
    this.#part = part;
    this.#imageConfig = imageConfig;
  }

  /** As {@link ParkedContainers.begin}, for containers that have nothing each for itself. @throws as `Container.run` */
  static override async begin(options: ParsedOptions, count: number): Promise<SharedContainers> {
    // whoever has the image as an object can change what it says
    const imageConfig = structuredClone(givenImage(options)?.config ?? null);
    const { of, shown } = await groundFor(options, count);
    return new SharedContainers(options, await SharedPart.begin(options, of), { shown, imageConfig });
  }

  override get ready(): number {
    return super.ready + this.#joined.ready;
  }

  override take(options: ParsedOptions): ParkedContainer | null {
    return (this.canHave(options) ? this.#joined.take(options) : null) ?? super.take(options);
  }

  /** As {@link take}; where none waits, but one is being made, it waits for that. */
  async takeNext(options: ParsedOptions): Promise<ParkedContainer | null> {
    const { cancelSignal } = options.process;
    const settled = unlessAborted(
      cancelSignal,
      () => this.#part.during(this.#joined.settled()),
      () => undefined,
    );
    // what was aborted is told by who takes one
    const isInTime = await settled.then(
      () => true,
      () => false,
    );
    if (!isInTime || !this.canHave(options)) return null;
    return this.#joined.take(options) ?? parkedFor(await this.#part.takeNext(cancelSignal), options);
  }

  /** A run was sent: has the container of the next one join its networks. None is taken where the shape has no networks. */
  joinAhead(): void {
    const { options } = this.#part.sample;
    if (options.networks.length === 0) return;
    const next = async (): Promise<ParkedContainer | null> => parkedFor(await this.#part.takeNext(null, { keepsAlive: false }), options);
    this.#joined.begin(next);
  }

  /** A run has ended: the container of the next one gets the links to its networks. */
  linkAhead(): void {
    this.#joined.link();
  }

  override async close(runs?: Promise<unknown>): Promise<void> {
    const closed = await Promise.allSettled([super.close(runs), this.#joined.close()]);
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** The same; and the image is what its name is of now, and says what it said, and no network is one of plugins since. @throws ImageError */
  override async isCurrent(): Promise<boolean> {
    const { sample } = this.#part;
    if (usesPlugins(sample.options)) return false;
    if (!isDeepStrictEqual(givenImage(sample.options)?.config ?? null, this.#imageConfig)) return false;
    return (await super.isCurrent()) && isNamedStill(sample);
  }

  /** One could not be made, or has died while it waited, and none was asked for since by who takes one. */
  get hasFailed(): boolean {
    return this.#part.hasFailed;
  }

  /** How many are to wait from now on. */
  want(count: number): void {
    this.#part.want(count);
  }
}

/** `null`: the image was named. */
function givenImage({ root }: Pick<ParsedOptions, 'root'>): Image | null {
  return root.type === 'image' && typeof root.image !== 'string' ? root.image : null;
}

async function isNamedStill({ image, options: { root } }: Prepared): Promise<boolean> {
  if (root.type !== 'image' || typeof root.image !== 'string') return true;
  const reference = parseReference(root.image);
  if (reference.kind !== 'registry' && reference.kind !== 'digest') return true;
  return (await findReferred(reference))?.descriptor.digest === image?.digest;
}

/** What containers are begun with, and what they show of the host at this time: what changes while they are begun is another then. */
async function groundFor(
  options: ParsedOptions,
  count: number,
): Promise<{ readonly of: { readonly count: number; readonly shim: Shim }; readonly shown: Shown }> {
  requireUsers(options);
  requireWithoutRoot(options);
  const of = { count, shim: await containerShim() };
  return { of, shown: { paths: new ShownSources(pathsOf(options)), network: await sharedNetwork(options) } };
}

/** `null`: the group counts no processor time, which the run must have counted: what is to be said then is found out for the run alone. */
function clockOf(options: ParsedOptions, group: GroupPlan): { readonly cpuClock: CpuClock | null } | null {
  try {
    const clock = cpuClockOf(options, group);
    return clock.notEnforced.length === 0 ? clock : null;
  } catch (error) {
    if (error instanceof UnsupportedError) return null;
    throw error;
  }
}

/** The host's paths that containers show by themselves; what the host shows as an image is another question. */
function pathsOf({ root, mounts }: ParsedOptions): string[] {
  const binds = mounts.flatMap(({ type, source }) => (type === 'bind' && source !== null ? [source] : []));
  if (root.type === 'rootfs') return [...binds, typeof root.rootfs === 'string' ? root.rootfs : root.rootfs.path];
  const reference = typeof root.image === 'string' ? root.image : (root.image.reference ?? '');
  return reference.startsWith(FOLDER) ? [...binds, reference.slice(FOLDER.length)] : binds;
}

/** The network namespace of the container whose network they share; `null`: they share none. @throws as {@link ParsedOptions.networkOf} */
async function sharedNetwork({ networkOf }: Pick<ParsedOptions, 'networkOf'>): Promise<number | null> {
  const network = await networkOf?.namespace('net');
  if (!network) return null;
  try {
    return networkNamespaceOf(network.fd);
  } finally {
    await network.close();
  }
}
