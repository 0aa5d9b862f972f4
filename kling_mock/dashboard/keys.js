// @ts-check
/** The keys of the page, and their list. */

/** @import {App, View} from "./hub.js" */

import { TABS } from "./address.js";
import { h, table } from "./dom.js";
import { dialog } from "./widgets.js";

const KEYS = [
  ["/", "Search"],
  ["1 to 5", "Open a tab"],
  ["↑ ↓ Page Up Page Down Home End", "Move in a list"],
  ["Enter", "Open the selected item"],
  ["Esc", "Leave a text, close the detail or a dialog"],
  ["?", "This list"],
];

/**
 * @param {App} app
 * @param {() => View} current the open tab
 */
export function listenToKeys(app, current) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Escape") {
      // A text that is being edited in a detail is not lost by one key.
      const detail = target.closest(".detail");
      if (isText(target) && detail instanceof HTMLElement) detail.focus();
      else if (app.address.place.id !== null) app.address.go({ id: null });
      else if (isText(target)) target.blur();
      return;
    }
    if (isText(target)) return;
    const tab = TABS[Number(event.key) - 1];
    if (event.key === "/") current().focusSearch();
    else if (event.key === "?") showKeys();
    else if (event.key === "ArrowDown" && target === document.body) current().focusList?.();
    else if (tab !== undefined) app.address.go({ tab, id: null, filters: {} });
    else return;
    event.preventDefault();
  });
}

export function showKeys() {
  dialog("Keys", table(["Key", "Effect"], KEYS.map(([key, effect]) => [h("kbd", {}, key), effect])));
}

/** @param {HTMLElement} element */
function isText(element) {
  return element.matches("input, textarea, select, [contenteditable]");
}
