import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';

/** As much of Redis's protocol as the tests speak: commands, and answers of one line of text. */
export class RedisClient {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines: Interface = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static async connect(path: string): Promise<RedisClient> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new RedisClient(socket);
  }

  /** One command at a time. `null`: there is no such thing. */
  async call(...words: string[]): Promise<string | number | null> {
    this.#socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
    const answer = await this.#line();
    const [kind, value] = [answer[0], answer.slice(1)];
    if (kind === '-') throw new Error(value);
    if (kind === ':') return Number(value);
    if (kind === '$') return value === '-1' ? null : this.#line();
    return value;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error('Redis has closed the connection');
    return value;
  }
}
