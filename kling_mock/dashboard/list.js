// @ts-check
/** A list of which only the visible rows are in the document. The rows have one height, which CSS sets. */

import { fill, h } from "./dom.js";

// Rows that are kept above and below the visible ones.
const MARGIN = 6;

/**
 * @template T
 * @typedef {object} RowKind
 * @property {string} label the accessible name of the list
 * @property {(item: T) => string} idOf
 * @property {(item: T) => HTMLElement} create makes the content of a row
 * @property {(item: T) => void} open
 * @property {() => void} [more] called near the end of the list
 */

/** @template T */
export class WindowedList {
  /** @type {T[]} */
  #items = [];
  /** @type {Map<string, { element: HTMLElement, item: T }>} */
  #rows = new Map();
  /** @type {string | null} */
  #selected = null;
  #frame = 0;
  #height = 0;
  #kind;

  /** @param {RowKind<T>} kind */
  constructor(kind) {
    this.#kind = kind;
    this.body = h("div", { class: "rows", role: "none" });
    this.empty = h("div", { class: "empty", hidden: true });
    this.scroller = h(
      "div",
      {
        class: "list", role: "listbox", tabindex: 0, "aria-label": kind.label,
        onscroll: () => this.#schedule(),
        onkeydown: /** @type {EventListener} */ ((event) => this.#key(/** @type {KeyboardEvent} */ (event))),
        onfocus: () => this.#focus(),
      },
      this.body,
    );
    this.element = h("div", { class: "list-box" }, this.scroller, this.empty);
    new ResizeObserver(() => this.#schedule(true)).observe(this.scroller);
  }

  /**
   * Shows these items; `added` of them are new at the top, and do not move the visible ones.
   * @param {T[]} items
   * @param {{ added?: number, anew?: boolean }} [change]
   */
  show(items, { added = 0, anew = false } = {}) {
    this.#items = items;
    if (anew) this.scroller.scrollTop = 0;
    else if (added && this.scroller.scrollTop > 0) this.scroller.scrollTop += added * this.#rowHeight();
    this.#schedule();
  }

  /**
   * Shows this in place of rows; null: rows.
   * @param {Node | null} content
   */
  showEmpty(content) {
    this.empty.hidden = content === null;
    this.scroller.hidden = content !== null;
    if (content !== null) fill(this.empty, content);
  }

  /** The items whose rows are in the document. */
  get visible() {
    return [...this.#rows.values()];
  }

  /** @param {string | null} id */
  select(id) {
    const known = id === null || id === this.#selected;
    this.#selected = id;
    for (const [key, { element }] of this.#rows) element.setAttribute("aria-selected", String(key === id));
    this.#markActive();
    if (!known) this.#reveal();
  }

  /** Names the selected row to assistive technology while it is in the document. */
  #markActive() {
    const id = this.#selected;
    if (id !== null && this.#rows.has(id)) this.scroller.setAttribute("aria-activedescendant", rowId(id));
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  focus() {
    this.scroller.focus({ preventScroll: true });
  }

  #rowHeight() {
    if (this.#height === 0) {
      this.#height = Number.parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 40;
    }
    return this.#height;
  }

  /** @param {boolean} [resized] */
  #schedule(resized = false) {
    if (resized) this.#height = 0;
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#render());
  }

  #render() {
    this.#frame = 0;
    const height = this.#rowHeight();
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / height) - MARGIN);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / height) + MARGIN);
    this.body.style.height = `${this.#items.length * height}px`;
    /** @type {Set<string>} */
    const wanted = new Set();
    for (let index = first; index < last; index++) {
      const item = /** @type {T} */ (this.#items[index]);
      const id = this.#kind.idOf(item);
      wanted.add(id);
      const row = this.#rows.get(id);
      if (row === undefined) {
        const element = h("div", {
          class: "row", role: "option", id: rowId(id), "aria-selected": String(id === this.#selected),
          onclick: () => this.#open(id),
        });
        element.append(this.#kind.create(item));
        this.#place(element, index, height);
        this.body.append(element);
        this.#rows.set(id, { element, item });
      } else {
        if (row.item !== item) {
          row.item = item;
          fill(row.element, this.#kind.create(item));
        }
        this.#place(row.element, index, height);
      }
    }
    for (const [id, { element }] of this.#rows) {
      if (!wanted.has(id)) {
        element.remove();
        this.#rows.delete(id);
      }
    }
    this.#markActive();
    if (last + 50 >= this.#items.length) this.#kind.more?.();
  }

  /**
   * @param {HTMLElement} element
   * @param {number} index
   * @param {number} height
   */
  #place(element, index, height) {
    element.style.transform = `translateY(${index * height}px)`;
    element.setAttribute("aria-posinset", String(index + 1));
    element.setAttribute("aria-setsize", String(this.#items.length));
  }

  /** @param {string} id */
  #open(id) {
    const item = this.#items.find((each) => this.#kind.idOf(each) === id);
    if (item !== undefined) this.#kind.open(item);
  }

  #index() {
    return this.#items.findIndex((item) => this.#kind.idOf(item) === this.#selected);
  }

  #focus() {
    if (this.#selected === null || this.#index() < 0) this.#move(0);
  }

  /** @param {number} index */
  #move(index) {
    const item = this.#items[Math.max(0, Math.min(index, this.#items.length - 1))];
    if (item !== undefined) this.select(this.#kind.idOf(item));
  }

  #reveal() {
    const index = this.#index();
    if (index < 0) return;
    const height = this.#rowHeight();
    const { scrollTop, clientHeight } = this.scroller;
    if (index * height < scrollTop) this.scroller.scrollTop = index * height;
    else if ((index + 1) * height > scrollTop + clientHeight) this.scroller.scrollTop = (index + 1) * height - clientHeight;
    this.#schedule();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.#rowHeight()) - 1);
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step !== undefined) this.#move(this.#index() + step);
    else if (event.key === "Enter" && this.#selected !== null) this.#open(this.#selected);
    else return;
    event.preventDefault();
  }
}

/** @param {string} id */
function rowId(id) {
  return `row-${encodeURIComponent(id)}`;
}
