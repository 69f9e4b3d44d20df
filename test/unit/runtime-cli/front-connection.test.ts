import { constants } from 'node:os';
import { pid as ownPid } from 'node:process';
import { afterEach, describe, expect, it, vi } from 'vitest';
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

afterEach(() => void vi.restoreAllMocks());

describe('the connection of a front', () => {
  it('sends the signals that it was asked for to the program, until that has ended', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    const { front, sent, says, isClosed } = connected();
    const forget = front.forwardSignals(ownPid);
    expect(sent[0]?.[0]).toBe(Message.forward);
    expect(sent[0]?.[1].split('\0')).toContain(String(constants.signals.SIGTERM));
    says(Message.signal, String(constants.signals.SIGTERM));
    forget();
    says(Message.signal, String(constants.signals.SIGTERM));
    expect(kill.mock.calls).toEqual([[ownPid, constants.signals.SIGTERM]]);
    expect(isClosed()).toBe(false);
  });

  it.each([
    ['a signal that was not asked for', '9'],
    ['what is no signal', 'TERM'],
    ['a number that no signal has', '99'],
  ])('ends by itself for %s', async (_, text) => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    const { front, says, isClosed } = connected();
    front.forwardSignals(ownPid);
    says(Message.signal, text);
    expect([isClosed(), front.gone, await front.next()]).toEqual([true, true, null]);
    expect(kill).not.toHaveBeenCalled();
  });

  it('ends by itself where a signal can not be sent', () => {
    vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EINVAL'), { code: 'EINVAL' });
    });
    const { front, says, isClosed } = connected();
    front.forwardSignals(ownPid);
    says(Message.signal, String(constants.signals.SIGTERM));
    expect(isClosed()).toBe(true);
  });

  it('has no shim once the front has gone, and nothing of another one is ended', async () => {
    const { front, sent, ends } = connected();
    ends();
    expect(() => front.connection()).toThrow(expect.objectContaining({ code: 'ERR_SHIM_DIED' }));
    await front.end();
    expect(sent).toEqual([]);
  });
});
