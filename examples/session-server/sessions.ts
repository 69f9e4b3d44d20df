import { Container, NacelleError } from 'nacelle';

/**
 * Sessions are detached containers with one label: they outlive the server, and its next start finds them by that. One that nobody has used
 * for a while is paused, and goes on with the next command.
 */
export class Sessions {
  readonly #sessions = new Map<string, Session>();

  private constructor(
    readonly label: string,
    readonly idleMs: number,
  ) {}

  /** The sessions that an earlier server has left. */
  static async find(label: string, idleMs: number): Promise<Sessions> {
    const sessions = new Sessions(label, idleMs);
    for (const { id, state } of await Container.list({ labels: { sessions: label } })) {
      if (state === 'unknown') continue;
      const container = await Container.attach(id);
      // The server ended before it had started this one, or the container has come to its end: nobody can use it.
      if (state === 'created' || state === 'stopped') await container.remove({ force: true });
      else sessions.#add(container);
    }
    return sessions;
  }

  async create(): Promise<Session> {
    const container = await Container.create({
      image: 'host',
      detach: true,
      init: true,
      labels: { sessions: this.label },
      command: ['sleep', 'infinity'],
      user: 'nobody',
      cwd: '/work',
      tmpfs: { '/work': 'size=64m,mode=1777,exec' },
      // What a whole session may use, however many commands run in it.
      memory: '256m',
      pidsLimit: 128,
      cpus: 1,
    });
    try {
      await container.start();
    } catch (error) {
      await container.remove({ force: true });
      throw error;
    }
    return this.#add(container);
  }

  list(): { id: string; state: string }[] {
    return [...this.#sessions.values()].map(({ id, state }) => ({ id, state }));
  }

  /** One of these alone: whoever asks reaches no other container of this machine. */
  get(id: string): Session {
    const session = this.#sessions.get(id);
    if (!session) throw new NacelleError(`there is no session ${id}`, { code: 'ERR_NO_CONTAINER' });
    return session;
  }

  async remove(id: string): Promise<void> {
    await this.get(id).remove();
    this.#sessions.delete(id);
  }

  #add(container: Container): Session {
    const session = new Session(container, this.idleMs);
    this.#sessions.set(session.id, session);
    return session;
  }
}

export class Session {
  #users = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Pausing and resuming wait for each other. */
  #changed: Promise<void> = Promise.resolve();

  constructor(
    /** Files are copied to and from it as it is, also while it stands still. */
    readonly container: Container,
    readonly idleMs: number,
  ) {
    this.#pauseLater();
  }

  get id(): string {
    return this.container.id;
  }

  get state(): string {
    return this.container.state;
  }

  /** The session runs until `work` is done, and is paused a while after the last one. */
  async use<T>(work: (container: Container) => Promise<T>): Promise<T> {
    this.#users++;
    clearTimeout(this.#idle);
    try {
      await this.#change(async () => {
        if (this.state === 'paused') await this.container.resume();
      });
      return await work(this.container);
    } finally {
      if (--this.#users === 0) this.#pauseLater();
    }
  }

  async remove(): Promise<void> {
    clearTimeout(this.#idle);
    await this.container.remove({ force: true });
  }

  #pauseLater(): void {
    this.#idle = setTimeout(() => {
      this.#change(async () => {
        if (this.#users === 0 && this.state === 'running') await this.container.pause();
      }).catch((error: unknown) => console.error(`session ${this.id}: ${error}`));
    }, this.idleMs);
    this.#idle.unref();
  }

  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changed.then(change);
    this.#changed = changed.catch(() => undefined);
    return changed;
  }
}
