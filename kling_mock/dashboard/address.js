// @ts-check
/** The address of the page: tab, selected item and filters, in the fragment of its URL. */

/** @typedef {{ tab: string, id: string | null, filters: Record<string, string> }} Place */

export const TABS = ["tasks", "calls", "callbacks", "scripts", "accounts"];

/**
 * The place of a fragment such as "#/calls/ID?text=cat". An unknown tab is the first one. Pure.
 * @param {string} fragment
 * @returns {Place}
 */
export function parsePlace(fragment) {
  const [path = "", query = ""] = split(fragment.replace(/^#?\/?/, ""), "?");
  const [tab = "", id = ""] = split(path, "/");
  return {
    tab: TABS.includes(tab) ? tab : "tasks",
    id: id === "" ? null : decoded(id),
    filters: Object.fromEntries(new URLSearchParams(query)),
  };
}

/**
 * The fragment of a place. Pure; `parsePlace` reads it.
 * @param {Place} place
 * @returns {string}
 */
export function formatPlace({ tab, id, filters }) {
  const given = Object.entries(filters).filter(([, value]) => value !== "");
  const query = new URLSearchParams(given).toString();
  return `#/${tab}${id === null ? "" : `/${encodeURIComponent(id)}`}${query && `?${query}`}`;
}

/**
 * @param {string} text
 * @param {string} separator
 */
function split(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of this page. It calls its listeners after each change. */
export class Address {
  /** @type {Array<(place: Place) => void>} */
  #listeners = [];

  constructor() {
    this.place = parsePlace(location.hash);
    addEventListener("popstate", () => {
      this.place = parsePlace(location.hash);
      for (const listener of this.#listeners) listener(this.place);
    });
  }

  /** @param {(place: Place) => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /**
   * Goes to a place; fields that are not given stay. `replace`: without a new entry in the history.
   * @param {Partial<Place>} changes
   * @param {{ replace?: boolean }} [options]
   */
  go(changes, { replace = false } = {}) {
    const place = { ...this.place, ...changes };
    const fragment = formatPlace(place);
    if (fragment === formatPlace(this.place)) return;
    this.place = place;
    if (replace) history.replaceState(null, "", fragment);
    else history.pushState(null, "", fragment);
    for (const listener of this.#listeners) listener(place);
  }

  /**
   * Changes filters of the present tab, without a new entry in the history.
   * @param {Record<string, string>} filters
   */
  filter(filters) {
    this.go({ filters: { ...this.place.filters, ...filters } }, { replace: true });
  }
}
