import { isDeepStrictEqual } from 'node:util';
import type { GroupPlan } from '../../cgroup/group-plan.js';
import { renamedGroup } from '../../cgroup/renamed-group.js';
import { invalidOption, UnsupportedError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { mounter, privilege } from '../../host/privilege.js';
import type { FirstParts, Parked } from '../../native/first-parts.js';
import { newId } from '../../plan/id.js';
import type { CpuClock } from '../../plan/plan.js';
import type { RootRecipe } from '../../plan/recipe.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planHead } from '../plan/container-plan.js';
import { mayBePooled, type PooledPlan, planPooled, slotsAfter } from '../plan/pool-plan.js';
import { cpuClockOf } from '../start/container-group.js';
import { requireUsers } from '../start/container-users.js';
import { type Prepared, prepare } from '../start/prepare.js';
import { argvOf, environment } from '../start/program-facts.js';
import { requireWithoutRoot } from '../start/without-root.js';
import { RestShapes } from './rest-shapes.js';
import { ShownSources } from './shown-sources.js';

/** How many characters of a container's id its host name has, by which the shim tells its containers apart. */
const NAMED = 12;

/** A container that waits. */
export interface ParkedContainer {
  readonly parked: Parked;
  readonly options: ParsedOptions;
  readonly plan: PooledPlan;
  /** The rests of the runs before. */
  readonly shapes: RestShapes;
  /** What it was planned with, under its own name. @throws NacelleError `ERR_INVALID_OPTION`: there is no command */
  prepared(): Prepared;
  /** To be called when the container is gone. */
  readonly release: () => void;
}

/** The containers of one shape that wait in the shim. The layers and volumes below them stay until the last has gone. */
export class ParkedContainers {
  readonly #prepared: Prepared;
  readonly #plan: PooledPlan;
  readonly #parts: FirstParts;
  /** Of the host: as it was when these were begun. */
  #recipe: RootRecipe | null;
  readonly #shown: ShownSources;
  readonly #shapes = new RestShapes();
  #users = 1;
  #closed: Promise<void> | null = null;

  private constructor(prepared: Prepared, plan: PooledPlan, parts: FirstParts, shown: ShownSources) {
    this.#shown = shown;
    this.#prepared = prepared;
    this.#plan = plan;
    this.#parts = parts;
    this.#recipe = prepared.image?.reference === 'host' && prepared.root.type === 'recipe' ? prepared.root.recipe : null;
  }

  /** Prepares, plans and encodes once, and has the shim begin. @throws as `Container.run` */
  static async begin(options: ParsedOptions, count: number): Promise<ParkedContainers> {
    requireUsers(options);
    requireWithoutRoot(options);
    const shim = await containerShim();
    const id = newId();
    // what changes meanwhile is another then
    const shown = new ShownSources(pathsOf(options));
    const prepared = await prepare(options, { id, park: false, shim });
    try {
      requirePoolable(prepared);
      const plan = planPooled(planHead(prepared), { ...prepared, park: false });
      const parts = shim.startFirstParts({ first: plan.first, name: id.slice(0, NAMED), count }, prepared.slots.descriptors);
      return new ParkedContainers(prepared, plan, parts, shown);
    } catch (error) {
      prepared.release();
      throw error;
    }
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
    const { image } = this.#prepared;
    if (this.#parts.isOver || !this.#shown.isCurrent()) return false;
    if (this.#recipe === null || image === null) return true;
    const { recipe, release } = await image.use({ mounter: mounter(privilege()) });
    release();
    if (recipe !== this.#recipe && !isDeepStrictEqual(recipe, this.#recipe)) return false;
    this.#recipe = recipe;
    return true;
  }

  /** Takes one for a run with these options; `null`: none waits, or none can have them. */
  async take(options: ParsedOptions): Promise<ParkedContainer | null> {
    if (!mayBePooled(options, this.#prepared.table) || clockOf(options, this.#prepared.group) === null) return null;
    const parked = this.#parts.take();
    if (parked === null) return null;
    this.#users++;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#release();
      isHeld = false;
    };
    let prepared: Prepared | undefined;
    return {
      parked,
      options,
      plan: this.#plan,
      shapes: this.#shapes,
      prepared: () => {
        prepared ??= this.#preparedFor(parked.name, options);
        return prepared;
      },
      release,
    };
  }

  /** What was prepared, under the container's own name and with what the run has of its own. */
  #preparedFor(name: string, { command, labels, copyIn, copyOut, copyOutMax, process }: ParsedOptions): Prepared {
    const of = this.#prepared;
    const id = name + of.id.slice(NAMED);
    const options: ParsedOptions = { ...of.options, command, labels, copyIn, copyOut, copyOutMax, process };
    const hostname = of.hostname === of.id.slice(0, NAMED) ? name : of.hostname;
    const config = of.image?.config ?? {};
    const group = renamedGroup(of.group, of.id, id);
    return {
      ...of,
      id,
      options,
      hostname,
      slots: slotsAfter(this.#plan),
      argv: argvOf(options, config),
      program: { ...of.program, env: environment(options, config, hostname) },
      group,
      cpuClock: cpuClockOf(options, group).cpuClock,
      release: () => undefined,
    };
  }

  /**
   * Undoes those that wait; runs that have taken one go on. Resolves when the mounts are gone too of all that has ended when `runs` has. Idempotent.
   *
   * @throws what could not be undone
   */
  close(runs?: Promise<unknown>): Promise<void> {
    this.#closed ??= this.#parts.close(runs).finally(() => this.#release());
    return this.#closed;
  }

  #release(): void {
    if (--this.#users === 0) this.#prepared.release();
  }
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
  return reference.startsWith('dir:') ? [...binds, reference.slice('dir:'.length)] : binds;
}

/** What shows only when a container has been prepared. @throws NacelleError `ERR_INVALID_OPTION` */
function requirePoolable({ options, root, bound, health, proc, slots, networks }: Prepared): void {
  const wrong = (option: string, why: string) => invalidOption(option, `can't go with a pool: ${why}`);
  if (root.type === 'recipe' && root.disk !== null) throw wrong('upper', 'what is written to the root can be on disk alone here');
  if (root.type === 'folder' && root.bound !== null) throw wrong('rootfs', 'its mount can be given to one container alone');
  if (bound.size > 0) throw wrong('mounts', `the mount at ${[...bound.keys()].join(', ')} can be given to one container alone`);
  if (options.mounts.some(({ type, source }) => type === 'image' && source === 'host'))
    throw wrong('mounts', "'host' is mounted: what is to be hidden may change");
  if (health !== null) throw wrong('healthcheck', "the image has one: give 'none'");
  if (proc !== null || networks.attachments.length > 0) throw wrong('namespaces', 'they are shared');
  if (slots.descriptors.size > MOST_DESCRIPTORS) throw wrong('mounts', 'they need too many descriptors');
}

/** So that those of a run fit beside them into one message to the process. */
const MOST_DESCRIPTORS = 200;
