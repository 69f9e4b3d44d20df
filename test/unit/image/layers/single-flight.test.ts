import { expect, it } from 'vitest';
import { SingleFlight } from '../../../../lib/image/layers/single-flight.js';

/** Work that ends when it is told to, or by its signal. */
function manual() {
  let done: (value: string) => void = () => undefined;
  const state = { begun: 0, stopped: 0, end: (value: string): void => done(value) };
  const work = (signal: AbortSignal): Promise<string> => {
    state.begun++;
    return new Promise((resolve, reject) => {
      done = resolve;
      signal.addEventListener('abort', () => {
        state.stopped++;
        reject(signal.reason);
      });
    });
  };
  return { state, work };
}

it('does once what several want at once, and again afterwards', async () => {
  const flights = new SingleFlight<string>();
  const { state, work } = manual();
  const both = [flights.run('a', work), flights.run('a', work)];
  state.end('done');
  expect(await Promise.all(both)).toEqual(['done', 'done']);
  const again = flights.run('a', work);
  state.end('again');
  expect(await again).toBe('again');
  expect(state.begun).toBe(2);
});

it('goes on for the others when one leaves, and ends with the last', async () => {
  const flights = new SingleFlight<string>();
  const { state, work } = manual();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = flights.run('a', work, one.signal);
  const second = flights.run('a', work, two.signal);
  one.abort(new Error('one left'));
  await expect(first).rejects.toThrow('one left');
  expect(state.stopped).toBe(0);
  two.abort(new Error('two left'));
  await expect(second).rejects.toThrow('two left');
  expect(state.stopped).toBe(1);
  const fresh = flights.run('a', work);
  expect(state.begun).toBe(2);
  state.end('done');
  expect(await fresh).toBe('done');
});

it('is never ended while somebody waits who did not say when to stop', async () => {
  const flights = new SingleFlight<string>();
  const { state, work } = manual();
  const stop = new AbortController();
  const waiting = flights.run('a', work);
  const leaving = flights.run('a', work, stop.signal);
  stop.abort(new Error('left'));
  await expect(leaving).rejects.toThrow('left');
  state.end('done');
  expect(await waiting).toBe('done');
  expect(state.stopped).toBe(0);
});

it('does not begin for who has left already', async () => {
  const { state, work } = manual();
  await expect(new SingleFlight<string>().run('a', work, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  expect(state.begun).toBe(0);
});

it('tells a failure to all of them', async () => {
  const flights = new SingleFlight<string>();
  const fail = (): Promise<string> => Promise.reject(new Error('broken'));
  const results = await Promise.allSettled([flights.run('a', fail), flights.run('a', fail, new AbortController().signal)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
