// @ts-check
/** A tab with filters, a list, and the detail of the selected item beside it. */

/** @import {App, Topic} from "./hub.js" */
/** @import {Place} from "./address.js" */
/** @import {Page} from "./paged_list.js" */

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { counted, excerpt } from "./format.js";
import { WindowedList } from "./list.js";
import { PagedList } from "./paged_list.js";

const TYPING_PAUSE = 150;

/** @typedef {{ element: HTMLElement, close: () => void }} Detail */
/** @typedef {{ name: string, label: string, options?: Array<[string, string]>, placeholder?: string }} Filter */

/**
 * @template T
 * @typedef {object} ListTab
 * @property {string} tab its name in the address
 * @property {string} noun of an item
 * @property {Filter[]} filters the first one is the search
 * @property {Topic[]} topics the events that change the list
 * @property {(filters: Record<string, string>, after: string | null, signal: AbortSignal) => Promise<Page<T>>} fetch
 * @property {(item: T) => string} idOf
 * @property {(topic: Topic, event: any) => T | null} [itemOf] the item that an event contains
 * @property {(item: T) => HTMLElement} row
 * @property {(element: HTMLElement, item: T) => void} [tick] updates a visible row four times a second
 * @property {(app: App, id: string) => Detail} detail
 * @property {(filtered: boolean) => Node} empty what is shown without items
 * @property {HTMLElement[]} [tools] buttons beside the filters
 */

/** @template T */
export class ListView {
  /** @type {Detail | null} */
  #detail = null;
  /** @type {string | null} */
  #id = null;
  #shown = false;
  #query = "";
  #anew = true;
  /** @type {Map<string, HTMLInputElement | HTMLSelectElement>} */
  #inputs = new Map();
  #typing = 0;
  /** @type {string | boolean | null} */
  #reason = null;
  #app;
  #kind;

  /**
   * @param {App} app
   * @param {ListTab<T>} kind
   */
  constructor(app, kind) {
    this.#app = app;
    this.#kind = kind;
    this.data = new PagedList((after, signal) => kind.fetch(app.address.place.filters, after, signal), kind.idOf);
    this.list = new WindowedList({
      label: `${kind.noun}s`,
      idOf: kind.idOf,
      create: kind.row,
      open: (item) => app.address.go({ id: kind.idOf(item) }),
      more: () => void this.data.more(),
    });
    this.count = h("span", { class: "count" });
    // Filters of the address that have no control.
    this.others = h("span", { class: "others" });
    // Read aloud after a change of the filters only: the count changes with each event.
    this.announced = h("span", { class: "unseen", role: "status" });
    this.pane = h("aside", { class: "detail", "aria-label": `Detail of a ${kind.noun}`, tabindex: -1, hidden: true });
    this.element = h(
      "div",
      { class: "view" },
      h("div", { class: "toolbar" }, ...kind.filters.map((each) => this.#filter(each)), this.others, this.count, this.announced, ...(kind.tools ?? [])),
      h("div", { class: "split" }, this.list.element, this.pane),
    );
    this.data.onChange = ({ added }) => this.#render(added);
    for (const topic of kind.topics) app.hub.on(topic, (event) => this.#change(topic, event));
    app.hub.on("reload", () => this.#shown && this.data.restart());
    app.hub.on("tick", () => this.#tick());
  }

  /** @param {Place} place */
  show(place) {
    const query = JSON.stringify(place.filters);
    if (!this.#shown || query !== this.#query) {
      this.#anew = query !== this.#query;
      this.#shown = true;
      this.#query = query;
      this.data.restart();
    }
    for (const [name, input] of this.#inputs) {
      const value = place.filters[name] ?? "";
      if (input.value !== value && document.activeElement !== input) input.value = value;
    }
    fill(this.others, ...Object.entries(place.filters).filter(([name, value]) => value !== "" && !this.#inputs.has(name)).map(([name, value]) =>
      h("button", { type: "button", title: "Remove this filter", onclick: () => this.#app.address.filter({ [name]: "" }) },
        `${name}: ${excerpt(value, 40)} ✕`)));
    if (place.id !== this.#id) this.#select(place.id);
  }

  hide() {
    this.#shown = false;
    this.#select(null);
  }

  focusList() {
    this.list.focus();
  }

  focusSearch() {
    const [first] = this.#inputs.values();
    first?.focus();
    if (first instanceof HTMLInputElement) first.select();
  }

  /**
   * Shows the item of an event at once; what it means for the rest of the list is loaded.
   * @param {Topic} topic
   * @param {any} event
   */
  #change(topic, event) {
    if (!this.#shown) return;
    const item = this.#kind.itemOf?.(topic, event) ?? null;
    if (item !== null) this.data.replace(item);
    this.data.invalidate();
  }

  /** @param {string | null} id */
  #select(id) {
    const inside = this.pane.contains(document.activeElement);
    const listed = this.list.element.contains(document.activeElement);
    this.#detail?.close();
    this.#detail = null;
    this.#id = id;
    if (id !== null) this.list.select(id); // it stays selected when the detail is closed
    this.pane.replaceChildren();
    this.pane.hidden = id === null;
    this.element.classList.toggle("with-detail", id !== null);
    if (id === null) {
      if (inside) this.list.focus();
      return;
    }
    this.#detail = this.#kind.detail(this.#app, id);
    this.pane.append(
      h("button", { class: "close", "aria-label": "Close the detail", title: "Close (Esc)", onclick: () => this.#close() }, "✕"),
      this.#detail.element,
    );
    this.pane.scrollTop = 0;
    // In a narrow window the detail covers the list.
    if (listed && this.list.element.offsetParent === null) this.pane.focus();
  }

  #close() {
    this.#app.address.go({ id: null });
    this.list.focus();
  }

  /** @param {number} added */
  #render(added) {
    const { items, total, next, error, loaded } = this.data;
    const filtered = Object.values(this.#app.address.place.filters).some((value) => value !== "");
    this.#showEmpty(error !== null && !loaded ? messageOf(error) : items.length > 0 ? null : filtered);
    this.list.show(items, { added, anew: this.#anew });
    const known = total ?? items.length;
    this.count.textContent = `${counted(known, this.#kind.noun)}${total === null && next !== null ? " and more" : ""}`;
    if (this.#anew && filtered) this.announced.textContent = this.count.textContent;
    this.#anew = false;
  }

  /**
   * Shows a text in place of the rows if there are none; it is made anew only when its reason changes.
   * @param {string | boolean | null} reason an error, or whether filters are set; null: there are rows
   */
  #showEmpty(reason) {
    if (reason === this.#reason) return;
    this.#reason = reason;
    if (reason === null) this.list.showEmpty(null);
    else this.list.showEmpty(typeof reason === "string" ? h("p", { class: "problem" }, reason) : this.#kind.empty(reason));
  }

  #tick() {
    if (!this.#shown || !this.#kind.tick || document.hidden) return;
    for (const { element, item } of this.list.visible) this.#kind.tick(element, item);
  }

  /** @param {Filter} filter */
  #filter({ name, label, options, placeholder }) {
    const change = () => this.#app.address.filter({ [name]: input.value });
    const input = options
      ? h("select", { "aria-label": label, onchange: change }, ...options.map(([value, text]) => h("option", { value }, text)))
      : h("input", {
          type: "search", "aria-label": label, placeholder: placeholder ?? label, spellcheck: "false", autocomplete: "off",
          oninput: () => {
            clearTimeout(this.#typing);
            this.#typing = window.setTimeout(change, TYPING_PAUSE);
          },
        });
    this.#inputs.set(name, input);
    return input;
  }
}
