// @ts-check
/** The stream of events, read with fetch, since EventSource cannot send the token. */

/** @import {Api} from "./api.js" */

/** @typedef {{ id: string | null, event: string, data: string }} ServerEvent */
/** @typedef {"connecting" | "live" | "reconnecting"} Connection */
/**
 * @typedef {object} Handlers
 * @property {(name: string, data: any) => void} onEvent
 * @property {(state: Connection) => void} onState
 * @property {(how: { restarted: boolean, lost: boolean }) => void} onOpen after each (re)connection
 */

const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 5000;
// The server sends a comment every 15 seconds.
const SILENCE = 40_000;

/** Parses server-sent events from pieces of text. */
export class EventParser {
  #rest = "";
  #event = "";
  /** @type {string[]} */
  #data = [];
  /** @type {string | null} */
  #id = null;

  /**
   * The events that a piece completes.
   * @param {string} piece
   * @returns {ServerEvent[]}
   */
  push(piece) {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    /** @type {ServerEvent[]} */
    const found = [];
    for (const line of lines) {
      const text = line.endsWith("\r") ? line.slice(0, -1) : line;
      if (text === "") {
        if (this.#data.length) {
          found.push({ id: this.#id, event: this.#event || "message", data: this.#data.join("\n") });
        }
        this.#event = "";
        this.#data = [];
        continue;
      }
      const colon = text.indexOf(":");
      const name = colon < 0 ? text : text.slice(0, colon);
      const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
      if (name === "event") this.#event = value;
      else if (name === "data") this.#data.push(value);
      else if (name === "id") this.#id = value;
    }
    return found;
  }
}

/** Follows the stream, and connects again when it ends. */
export class EventFollower {
  /** @type {string | null} */
  #lastId = null;
  /** @type {string | null} */
  #boot = null;
  #pause = FIRST_PAUSE;
  /** @type {AbortController} */
  #stop = new AbortController();
  #wake = () => {};

  /**
   * @param {Api} api
   * @param {Handlers} handlers
   */
  constructor(api, handlers) {
    this.api = api;
    this.handlers = handlers;
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
  }

  /** Connects, for ever. */
  async run() {
    this.handlers.onState("connecting");
    for (;;) {
      try {
        await this.#read();
      } catch {
        // The connection ended or was refused: the next one follows after a pause.
      }
      this.handlers.onState("reconnecting");
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, this.#pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(null);
        };
      });
      this.#wake = () => {};
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    }
  }

  /** Ends the present pause, after which the server is asked again. */
  retry() {
    this.#wake();
  }

  async #read() {
    this.#stop = new AbortController();
    const parameters = this.#lastId === null ? {} : { last_event_id: this.#lastId };
    const response = await this.api.request("GET", this.api.url("events", parameters), undefined, this.#stop.signal);
    const boot = response.headers.get("x-kling-mock-boot");
    const restarted = this.#boot !== null && boot !== this.#boot;
    if (restarted) this.#lastId = null;
    this.#boot = boot;
    this.#pause = FIRST_PAUSE;
    this.handlers.onState("live");
    this.handlers.onOpen({ restarted, lost: false });
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const timer = setTimeout(() => this.#stop.abort(), SILENCE);
      const { value, done } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      for (const event of parser.push(value)) this.#handle(event);
    }
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    if (event.id !== null) this.#lastId = event.id;
    if (event.event === "lost") this.handlers.onOpen({ restarted: false, lost: true });
    else this.handlers.onEvent(event.event, JSON.parse(event.data));
  }
}
