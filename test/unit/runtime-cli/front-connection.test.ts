import { constants } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { signalsOf } from '../../../lib/runtime-cli/caller/forward-signals.js';
import { FrontConnection } from '../../../lib/runtime-cli/resident/front-connection.js';
import { encodeStrings, Message } from '../../../lib/runtime-cli/resident/resident-messages.js';

/** A front at the other end of a socket that is none. */
function connected() {
  const sent: [type: number, body: string][] = [];
  let isClosed = false;
  let hear: (type: number, id: number, body: Buffer, fds: number[]) => void = () => undefined;
  let lose: () => void = () => undefined;
  const front = new FrontConnection((onMessage, onClose) => {
    hear = onMessage;
    lose = onClose;
    return {
      ...{ owner: '', pid: 0, goOn: () => undefined, ref: () => undefined, unref: () => undefined },
      send: (type, _, body) => sent.push([type, Buffer.from(body).toString()]),
      close: () => {
        isClosed = true;
      },
    };
  }, 7);
  const says = (type: number, ...texts: string[]): void => hear(type, 0, encodeStrings(...texts), []);
  return { front, sent, says, ends: () => lose(), isClosed: () => isClosed };
}

/** A task whose shim has gone, which hears of signals all the same. */
function taskOf() {
  const killed: unknown[] = [];
  const kill = async (options: unknown): Promise<void> => {
    killed.push(options);
    throw new Error('the shim has gone');
  };
  return { task: { kill }, killed };
}

afterEach(() => void vi.restoreAllMocks());

describe('the connection of a front', () => {
  it('sends the signals that it was asked for to the program, until that has ended', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    const { front, sent, says, isClosed } = connected();
    const { task, killed } = taskOf();
    const { end } = front.forwardSignals(signalsOf(task));
    expect(sent[0]?.[0]).toBe(Message.forward);
    expect(sent[0]?.[1].split('\0')).toContain(String(constants.signals.SIGTERM));
    says(Message.signal, String(constants.signals.SIGTERM));
    end();
    says(Message.signal, String(constants.signals.SIGTERM));
    // by the shim, which has not reaped it: its number may be another process's
    expect([killed, kill.mock.calls]).toEqual([[{ cause: 'caller', signal: constants.signals.SIGTERM, tree: false }], []]);
    expect(isClosed()).toBe(false);
  });

  it.each(['hears', 'ends'] as const)('lets no program begin before the front has its signals, or is gone: it %s', async (what) => {
    const { front, says, ends } = connected();
    let hasBegun = false;
    const begun = front
      .forwardSignals(() => undefined)
      .heard.then(() => {
        hasBegun = true;
      });
    await Promise.resolve();
    expect(hasBegun).toBe(false);
    if (what === 'hears') says(Message.hears);
    else ends();
    await begun;
    front.close();
  });

  it.each([
    ['a signal that was not asked for', '9'],
    ['what is no signal', 'TERM'],
    ['a number that no signal has', '99'],
  ])('ends by itself for %s', async (_, text) => {
    const { front, says, isClosed } = connected();
    const { task, killed } = taskOf();
    front.forwardSignals(signalsOf(task));
    says(Message.signal, text);
    expect([isClosed(), front.gone, await front.next()]).toEqual([true, true, null]);
    expect(killed).toEqual([]);
  });

  it('asks for another shim once the first has ended, and for none before', async () => {
    const { front, sent, says } = connected();
    front.askForShim();
    const begun = front.ensureShim();
    says(Message.go);
    await begun;
    await front.ensureShim();
    const ended = front.end();
    says(Message.ended);
    await ended;
    const ensured = front.ensureShim();
    says(Message.go);
    await ensured;
    expect(sent.map(([type]) => type)).toEqual([Message.spawn, Message.wait, Message.spawn]);
    front.close();
  });

  it('lets nothing be done by a shim that the front has not started', async () => {
    const { front, says, isClosed } = connected();
    front.askForShim();
    expect(() => front.connection()).toThrow(expect.objectContaining({ code: 'ERR_SHIM_DIED' }));
    says(Message.ended);
    await expect(front.ensureShim()).rejects.toMatchObject({ code: 'ERR_SHIM_DIED' });
    expect([isClosed(), front.gone]).toEqual([true, true]);
  });

  it('lets go of the shim before it has the front end', async () => {
    const { front, sent, says } = connected();
    front.askForShim();
    says(Message.go);
    await front.ensureShim();
    await front.done(3, 'words\n\0');
    expect(sent.slice(1)).toEqual([[Message.done, '3\0words\n\0']]);
    expect(() => front.connection()).toThrow(expect.objectContaining({ code: 'ERR_SHIM_DIED' }));
    front.close();
  });

  it('has the front wait for a shim that it has let go before it asks for another one', async () => {
    const { front, sent, says } = connected();
    front.askForShim();
    says(Message.go);
    await front.ensureShim();
    front.letGo();
    const ensured = front.ensureShim();
    says(Message.ended);
    await Promise.resolve();
    says(Message.go);
    await ensured;
    expect(sent.map(([type]) => type)).toEqual([Message.spawn, Message.wait, Message.spawn]);
    front.close();
  });

  it('asks for one shim where two need another one at once', async () => {
    const { front, sent, says } = connected();
    front.askForShim();
    says(Message.go);
    await front.ensureShim();
    front.letGo();
    const ensured = [front.ensureShim(), front.ensureShim()];
    says(Message.ended);
    await vi.waitFor(() => expect(sent.map(([type]) => type)).toEqual([Message.spawn, Message.wait, Message.spawn]));
    says(Message.go);
    await Promise.all(ensured);
    front.close();
  });

  it('has no other shim where the front can not start one', async () => {
    const { front, ends } = connected();
    const ensured = front.ensureShim();
    ends();
    await expect(ensured).rejects.toMatchObject({ code: 'ERR_SHIM_DIED' });
  });

  it('has no shim once the front has gone, and nothing of another one is ended', async () => {
    const { front, sent, ends } = connected();
    ends();
    expect(() => front.connection()).toThrow(expect.objectContaining({ code: 'ERR_SHIM_DIED' }));
    await front.end();
    expect(sent).toEqual([]);
  });
});
