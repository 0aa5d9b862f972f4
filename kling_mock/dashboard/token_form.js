// @ts-check
/** The form that asks for the token of the control API. */

/** @import {Api} from "./api.js" */

import { h } from "./dom.js";
import { dialog } from "./widgets.js";

let open = false;

/**
 * Asks for the token, once at a time. `done` is called after the token was set.
 * @param {Api} api
 * @param {() => void} done
 */
export function askForToken(api, done) {
  if (open) return;
  open = true;
  const token = h("input", { type: "password", required: true, autocomplete: "off", "aria-label": "Token" });
  const form = h("form", { class: "form" },
    h("p", {}, "The control API of this server needs the token of its option --control-token."),
    api.hasToken && h("p", { class: "problem" }, "The server refused the token that was entered."),
    h("div", { class: "actions" }, token, h("button", { type: "submit", class: "primary" }, "Use this token")));
  const box = dialog("Token", form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    api.setToken(token.value);
    box.close();
    done();
  });
  box.addEventListener("close", () => (open = false));
}
