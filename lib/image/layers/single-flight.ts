interface Flight<T> {
  readonly promise: Promise<T>;
  readonly stop: AbortController;
  /** How many callers wait for the work. */
  passengers: number;
}

/** Work that several callers may want at once: it is done once for all of them, and ended when nobody waits for it any more. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * @param work is to end by the reason of its signal
   * @param signal ends the wait, and the work too if nobody else waits
   */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    flight.passengers++;
    if (!signal) return flight.promise;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        if (--flight.passengers > 0) {
          reject(signal.reason);
        } else {
          // a caller that comes from now on begins the work anew
          this.#remove(key, flight);
          flight.stop.abort(signal.reason);
        }
      };
      signal.addEventListener('abort', leave, { once: true });
      flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const stop = new AbortController();
    const promise = work(stop.signal).finally(() => this.#remove(key, flight));
    const flight: Flight<T> = { promise, stop, passengers: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #remove(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
