import { NacelleError, withCleanupError } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import type { Image } from '../../image/image.js';
import { copyTree, isMissing } from '../../volume/volume-content.js';
import { useCacheMount } from '../cache/cache-mounts.js';
import type { FileTree } from '../files/file-tree.js';
import { listenFor } from '../files/ssh-socket.js';
import { InstructionProblem } from '../language/build-error.js';
import { type BindSource, type ContextTree, contentOfAll, contextSource, imageSource } from './bind-sources.js';
import { closeAll, type GivenMounts, givenBy, type OpenMount } from './given-mounts.js';
import { type BindMount, type CacheMount, type PlannedMount, type SecretMount, type SshMount, shapeOf } from './planned-mounts.js';

/** What the mounts of a build are made of. */
export interface MountSources {
  readonly context: ContextTree;
  readonly secrets: ReadonlyMap<string, Buffer>;
  /** Sockets of agents. */
  readonly ssh: ReadonlyMap<string, string>;
  readonly cacheNamespace: string;
  readonly signal: AbortSignal | undefined;
}

/** The files that `from` names. */
export interface MountOrigins {
  /** A folder of the caller's; `null`: it is none. */
  folder(from: string): ContextTree | null;
  /** `null`: none at all. */
  image(from: string): Promise<Image | null>;
  /** Does something with them, to be read. */
  withFiles<T>(image: Image | null, work: (tree: FileTree) => Promise<T>): Promise<T>;
}

/** The mounts of one RUN. */
export class StepMounts {
  /** What the step follows from: the content of binds, that which caches begin with, and the shape of all. */
  readonly key: readonly (readonly (string | number | boolean | null)[])[];
  readonly #mounts: readonly PlannedMount[];
  readonly #binds: ReadonlyMap<PlannedMount, Pick<BindSource, 'open'>>;
  readonly #sources: MountSources;
  readonly #origins: MountOrigins;

  private constructor(
    mounts: readonly PlannedMount[],
    { binds, seeds }: { readonly binds: ReadonlyMap<PlannedMount, BindSource>; readonly seeds: ReadonlyMap<PlannedMount, string> },
    { sources, origins }: { readonly sources: MountSources; readonly origins: MountOrigins },
  ) {
    this.#mounts = mounts;
    this.#binds = binds;
    this.#sources = sources;
    this.#origins = origins;
    this.key = mounts.map((mount) => [...shapeOf(mount, sources.cacheNamespace), binds.get(mount)?.content ?? seeds.get(mount) ?? null]);
  }

  /**
   * Looks at what binds show, and what caches begin with.
   *
   * @throws InstructionProblem for what is missing, also a secret or an agent that is required; what images and the context throw
   */
  static async of(
    mounts: readonly PlannedMount[],
    of: { readonly sources: MountSources; readonly origins: MountOrigins },
  ): Promise<StepMounts> {
    for (const mount of mounts) requireGiven(mount, of.sources);
    const binds = new Map<PlannedMount, BindSource>();
    const seeds = new Map<PlannedMount, string>();
    for (const mount of mounts) {
      if (mount.type === 'bind') binds.set(mount, await bindOf(mount, of));
      if (mount.type === 'cache' && mount.from !== '') seeds.set(mount, await seedOf(mount, of.origins));
    }
    return new StepMounts(mounts, { binds, seeds }, of);
  }

  /** Does something while all mounts are there; they are taken away when it is over. @throws what making them throws */
  async during<T>(work: (given: GivenMounts) => Promise<T>): Promise<T> {
    const opened: OpenMount[] = [];
    let result: T;
    try {
      // all steps of all builds take caches in one order, so that no two wait for each other
      for (const cache of this.#caches()) opened.push(...(await this.#cache(cache)));
      for (const mount of this.#mounts) opened.push(...(await this.#open(mount)));
      result = await work(givenBy(opened));
    } catch (error) {
      throw withCleanupError(error, await closeAll(opened));
    }
    const failure = await closeAll(opened);
    if (failure) throw failure;
    return result;
  }

  /** Mounts of one id and one owner together: they show one folder. */
  #caches(): (readonly [CacheMount, ...CacheMount[]])[] {
    const byName = new Map<string, [CacheMount, ...CacheMount[]]>();
    for (const mount of this.#mounts) {
      if (mount.type !== 'cache') continue;
      const name = JSON.stringify([mount.id, mount.uid, mount.gid]);
      const same = byName.get(name);
      if (same) same.push(mount);
      else byName.set(name, [mount]);
    }
    return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, mounts]) => mounts);
  }

  async #cache(mounts: readonly [CacheMount, ...CacheMount[]]): Promise<OpenMount[]> {
    const { cacheNamespace: namespace, signal } = this.#sources;
    const [{ id, mode, uid, gid }] = mounts;
    const sharing = (['locked', 'private'] as const).find((word) => mounts.some((mount) => mount.sharing === word)) ?? 'shared';
    const seed = mounts.find(({ from }) => from !== '');
    const fill = seed ? (folder: string) => this.#fill(seed, folder) : null;
    const used = await useCacheMount({ namespace, id, sharing, mode, uid, gid, fill, signal });
    return mounts.map(({ target, readOnly }, index) => ({
      mounts: [bind(used.path, target, readOnly)],
      ...(index === 0 ? { close: async () => used.release() } : {}),
    }));
  }

  async #fill({ from, source }: CacheMount, folder: string): Promise<void> {
    const { signal } = this.#sources;
    const image = await this.#origins.image(from);
    if (image === null) return;
    const used = await image.use({ signal, mounter: mounter(privilege()) });
    try {
      await copyTree({ root: { type: 'recipe', recipe: used.recipe }, path: `/${source}` }, folder, signal);
    } catch (error) {
      if (isMissing(error)) throw new InstructionProblem(`${JSON.stringify(source)} is no folder in ${from}`);
      throw error;
    } finally {
      used.release();
    }
  }

  async #open(mount: PlannedMount): Promise<OpenMount[]> {
    switch (mount.type) {
      case 'bind':
        return this.#bind(mount);
      case 'tmpfs':
        return [
          { mounts: [{ type: 'tmpfs', target: mount.target, options: ['exec', ...(mount.size === null ? [] : [`size=${mount.size}`])] }] },
        ];
      case 'secret':
        return this.#secret(mount);
      case 'ssh':
        return this.#ssh(mount);
      case 'cache':
        return [];
    }
  }

  async #bind(mount: BindMount): Promise<OpenMount[]> {
    const source = this.#binds.get(mount);
    if (!source) throw new NacelleError(`the bind at ${mount.target} was not looked at`, { code: 'ERR_INTERNAL' });
    const { path, close } = await source.open(this.#sources.signal);
    return [{ mounts: [bind(path, mount.target, mount.readOnly)], close }];
  }

  #secret({ id, target, env, mode, uid, gid }: SecretMount): OpenMount[] {
    const content = this.#sources.secrets.get(id);
    if (!content) return [];
    if (env !== null && content.includes(0))
      throw new InstructionProblem(`the secret ${JSON.stringify(id)} has a NUL byte: no variable can have it`);
    return [
      {
        ...(target === null ? {} : { files: [{ target, content, mode, uid, gid }] }),
        ...(env === null ? {} : { env: { [env]: content.toString() } }),
      },
    ];
  }

  async #ssh({ id, target, mode, uid, gid }: SshMount): Promise<OpenMount[]> {
    const agent = this.#sources.ssh.get(id);
    // the variable is there all the same, as with BuildKit: a program then says that nobody listens
    if (agent === undefined) return [{ agent: target }];
    const { path, close } = await listenFor(agent, { mode, uid, gid });
    return [{ mounts: [bind(path, target, false)], agent: target, close }];
  }
}

/** Also before a layer of an earlier build is taken: who doesn't have the secret gets nothing that was made with it. */
function requireGiven(mount: PlannedMount, { secrets, ssh }: MountSources): void {
  if (mount.type === 'secret' && mount.required && !secrets.has(mount.id)) throw missing('secret', 'secrets', mount.id);
  if (mount.type === 'ssh' && mount.required && !ssh.has(mount.id)) throw missing('ssh agent', 'ssh', mount.id);
}

async function seedOf({ from }: CacheMount, origins: MountOrigins): Promise<string> {
  if (origins.folder(from)) throw new InstructionProblem(`a cache begins with files of a stage or an image, and ${from} is a folder`);
  return contentOfAll(await origins.image(from));
}

async function bindOf(
  { from, source, readOnly }: BindMount,
  { sources: { context, signal }, origins }: { readonly sources: MountSources; readonly origins: MountOrigins },
): Promise<BindSource> {
  if (from === '') return contextSource(context, source, signal);
  const folder = origins.folder(from);
  if (folder) return contextSource(folder, source, signal);
  const image = await origins.image(from);
  return imageSource(image, { source, readOnly, signal, withFiles: (work) => origins.withFiles(image, work) });
}

/** Nothing in it opens a device: others wrote it. */
function bind(source: string, target: string, readOnly: boolean): NonNullable<OpenMount['mounts']>[number] {
  return { type: 'bind', source, target, readOnly, options: ['nodev'] };
}

function missing(what: string, option: string, id: string): InstructionProblem {
  return new InstructionProblem(`the ${what} ${JSON.stringify(id)} is required, and the option ${option} doesn't have it`);
}
