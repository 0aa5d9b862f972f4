// @ts-check
/**
 * A list of the server, newest first, of which the first pages are loaded. It has no DOM.
 *
 * Events mark it as out of date; the first page is then loaded again, and replaces the head of the list. The
 * pause between two loads is at least PERIOD, and several times as long as a load takes.
 */

export const PERIOD = 300;
const SHARE = 5;
export const PAGE = 200;

/**
 * @template T
 * @typedef {{ items: T[], next: string | null, total: number | null }} Page
 */

/** @template T */
export class PagedList {
  /** @type {T[]} */
  items = [];
  /** @type {string | null} */
  next = null;
  /** @type {number | null} */
  total = null;
  /** @type {unknown} */
  error = null;
  loaded = false;
  /** Called after each change. `added`: the number of items that were put before the others. */
  onChange = (/** @type {{ added: number }} */ _) => {};

  #running = false;
  #dirty = false;
  #loadingMore = false;
  #earliest = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  /** @type {AbortController} */
  #query = new AbortController();
  #fetch;
  #id;

  /**
   * @param {(after: string | null, signal: AbortSignal) => Promise<Page<T>>} fetchPage
   * @param {(item: T) => string} idOf
   */
  constructor(fetchPage, idOf) {
    this.#fetch = fetchPage;
    this.#id = idOf;
  }

  /** Loads everything anew, since the query has changed. What is shown stays until the answer. */
  restart() {
    this.#query.abort();
    this.#query = new AbortController();
    this.#running = false;
    this.#loadingMore = false;
    this.#dirty = false;
    void this.#refresh(true);
  }

  /** Loads the first page again soon: something has changed. */
  invalidate() {
    this.#dirty = true;
    if (this.#running || this.#timer !== null || !this.loaded) return;
    const pause = Math.max(0, this.#earliest - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#dirty && !this.#running) void this.#refresh(false);
    }, pause);
  }

  /**
   * Replaces an item that is in the list.
   * @param {T} item
   */
  replace(item) {
    const id = this.#id(item);
    const index = this.items.findIndex((each) => this.#id(each) === id);
    if (index < 0) return;
    this.items[index] = item;
    this.onChange({ added: 0 });
  }

  /** Loads the next page, if there is one. */
  async more() {
    if (this.next === null || this.#loadingMore || this.#running) return;
    this.#loadingMore = true;
    const { signal } = this.#query;
    try {
      const page = await this.#fetch(this.next, signal);
      if (signal.aborted) return;
      const known = new Set(this.items.map(this.#id));
      this.items = [...this.items, ...page.items.filter((item) => !known.has(this.#id(item)))];
      this.next = page.next;
      this.onChange({ added: 0 });
    } catch {
      if (signal.aborted) return;
      this.restart(); // the item after which the page begins may be gone
    } finally {
      if (!signal.aborted) this.#loadingMore = false;
    }
  }

  /** @param {boolean} anew whether nothing of the present list is kept */
  async #refresh(anew) {
    this.#running = true;
    this.#dirty = false;
    const start = performance.now();
    const { signal } = this.#query;
    try {
      const page = await this.#fetch(null, signal);
      if (signal.aborted) return;
      const added = this.#merge(page, anew);
      this.error = null;
      this.loaded = true;
      this.onChange({ added });
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.onChange({ added: 0 });
    } finally {
      if (!signal.aborted) {
        this.#running = false;
        const now = performance.now();
        this.#earliest = now + Math.max(PERIOD, SHARE * (now - start));
        if (this.#dirty) this.invalidate();
      }
    }
  }

  /**
   * Puts a first page at the head, before the loaded items that are older than its last one.
   * @param {Page<T>} page
   * @param {boolean} anew
   */
  #merge(page, anew) {
    const last = page.items.at(-1);
    const end = anew || last === undefined || page.next === null ? -1 : this.#indexOf(last);
    const first = this.items[0];
    const position = anew || first === undefined ? -1 : page.items.findIndex((item) => this.#id(item) === this.#id(first));
    this.total = page.total;
    if (end < 0) {
      this.items = page.items;
      this.next = page.next;
    } else {
      this.items = [...page.items, ...this.items.slice(end + 1)];
    }
    return Math.max(position, 0);
  }

  /** @param {T} item */
  #indexOf(item) {
    const id = this.#id(item);
    return this.items.findIndex((each) => this.#id(each) === id);
  }
}
