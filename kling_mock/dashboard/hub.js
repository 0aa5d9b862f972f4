// @ts-check
/** What the parts of the page share, and the messages between them. */

/** @import {Address} from "./address.js" */
/** @import {Api} from "./api.js" */
/** @import {ServerClock} from "./clock.js" */
/** @import {Place} from "./address.js" */

/**
 * The topics: events of the server by their names, "reload" (all data may have changed), "tick" (four times a
 * second, for countdowns), "clock-read" (another reading of the clock).
 * @typedef {"task" | "call" | "callback" | "clock" | "script" | "reload" | "tick" | "clock-read"} Topic
 */

/**
 * @typedef {object} App
 * @property {Api} api
 * @property {Address} address
 * @property {ServerClock} clock
 * @property {Hub} hub
 */

/**
 * A tab of the page.
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(place: Place) => void} show called when it is opened, and for each change of the address
 * @property {() => void} hide
 * @property {() => void} focusSearch
 * @property {() => void} [focusList]
 */

export class Hub {
  /** @type {Map<string, Set<(data: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls a listener for each message of a topic. Returns a function that ends this.
   * @param {Topic} topic
   * @param {(data: any) => void} listener
   * @returns {() => void}
   */
  on(topic, listener) {
    const found = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, found);
    found.add(listener);
    return () => found.delete(listener);
  }

  /**
   * @param {string} topic
   * @param {any} [data]
   */
  emit(topic, data) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(data);
  }
}
