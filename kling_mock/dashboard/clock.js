// @ts-check
/** The server's clock, extrapolated between its readings. */

/** @import {ClockReading} from "./models.js" */

export class ServerClock {
  /** @type {ClockReading | null} */
  reading = null;
  #at = 0;
  #now;

  /** @param {() => number} [now] a monotonic time in milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** @param {ClockReading} reading as received now */
  set(reading) {
    this.reading = reading;
    this.#at = this.#now();
  }

  /** The server's time in Unix seconds. */
  now() {
    if (this.reading === null) return Date.now() / 1000;
    return this.reading.now + ((this.#now() - this.#at) / 1000) * this.reading.speed;
  }

  get frozen() {
    return this.reading?.frozen ?? false;
  }

  get speed() {
    return this.reading?.speed ?? 1;
  }
}
