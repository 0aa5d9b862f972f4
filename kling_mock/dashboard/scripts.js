// @ts-check
/** The tab of scripts and faults: a list, and an editor beside it. */

/** @import {Place} from "./address.js" */
/** @import {App, View} from "./hub.js" */
/** @import {ScriptInfo, ScriptList} from "./models.js" */

import { messageOf } from "./api.js";
import { delayed } from "./delayed.js";
import { fill, h } from "./dom.js";
import { counted, parsed } from "./format.js";
import { ScriptRow } from "./script.js";
import { outputLine, run } from "./widgets.js";

const PAUSE = 200;
const EXAMPLES = [
  { when: { prompt: "*dog*" }, fails: "Image pixel is invalid", times: 2 },
  { next: true, pace: "seconds:1,5" },
  { when: { prompt: "*cat*" }, refuses: 1303 },
  { next_query: true, answers: 503, times: 3 },
  { when_request: { method: "POST" }, delays: 2, lasting: 60 },
];

/**
 * @param {App} app
 * @returns {View}
 */
export function scriptsView(app) {
  return new ScriptsView(app);
}

/** @implements {View} */
class ScriptsView {
  #shown = false;
  /** @type {Map<number, ScriptRow>} */
  #rows = new Map();
  /** @type {string | null} */
  #selected = null;
  /** @type {ScriptInfo | null} the script in the editor; null: a new one */
  #edited = null;
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.output = outputLine();
    this.title = h("h2");
    this.editor = h("textarea", { rows: 9, class: "mono", "aria-label": "Document of the script", spellcheck: "false" });
    const examples = h("select", {}, h("option", {}, "Choose…"), ...EXAMPLES.map((example) => h("option", {}, JSON.stringify(example))));
    examples.addEventListener("change", () => {
      const example = EXAMPLES[examples.selectedIndex - 1];
      if (example) this.editor.value = JSON.stringify(example, null, 2);
    });
    this.submit = h("button", { type: "submit", class: "primary" });
    this.cancel = h("button", { type: "button", onclick: () => this.#edit(null) }, "New script instead");
    const form = h("form", { class: "form" }, this.title,
      h("p", { class: "muted" }, "A JSON object with criteria of requests and an outcome, named as the methods of scripts in Python."),
      h("label", {}, h("span", {}, "Example"), examples), this.editor,
      h("div", { class: "actions" }, this.submit, this.cancel), this.output);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void run(this.submit, this.output, () => this.#write());
    });
    this.heading = h("h2");
    this.empty = h("p", { class: "muted" }, "No script applies to the requests of this server. Write one in the editor, or start the server with --scenario FILE.");
    this.list = h("div", { class: "script-rows" });
    this.element = h("div", { class: "view pages" },
      h("div", { class: "columns" }, h("div", { class: "script-rows" }, this.heading, this.empty, this.list), form));
    this.#edit(null);
    const later = delayed(PAUSE, () => this.#load());
    for (const topic of /** @type {const} */ (["script", "call", "clock", "reload"])) app.hub.on(topic, () => this.#shown && later());
    app.hub.on("tick", () => {
      if (this.#shown) for (const row of this.#rows.values()) row.tick();
    });
  }

  /** @param {Place} place */
  show(place) {
    this.#shown = true;
    this.#selected = place.id;
    void this.#load();
  }

  hide() {
    this.#shown = false;
  }

  focusSearch() {
    this.editor.focus();
  }

  /** @param {ScriptInfo | null} script */
  #edit(script) {
    this.#edited = script;
    this.title.textContent = script === null ? "New script" : `Edit script #${script.id}`;
    this.submit.textContent = script === null ? "Write script" : "Replace script";
    this.cancel.hidden = script === null;
    this.editor.value = JSON.stringify(script === null ? EXAMPLES[0] : script.document, null, 2);
    if (script !== null) this.editor.focus();
  }

  async #write() {
    const document = parsed("Document", this.editor.value);
    const [method, path] = this.#edited === null ? ["POST", "scripts"] : ["PUT", `scripts/${this.#edited.id}`];
    /** @type {ScriptInfo} */
    const written = await this.#app.api.send(method, path, document);
    await this.#load();
    return `Written as #${written.id}`;
  }

  async #load() {
    try {
      /** @type {ScriptList} */
      const { scripts } = await this.#app.api.get("scripts");
      this.#show(scripts);
    } catch (error) {
      fill(this.list, h("p", { class: "problem" }, messageOf(error)));
      this.#rows.clear();
    }
  }

  /** @param {ScriptInfo[]} scripts oldest first */
  #show(scripts) {
    this.heading.textContent = counted(scripts.length, "script");
    this.empty.hidden = scripts.length > 0;
    const ids = new Set(scripts.map((script) => script.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    if (this.#rows.size === 0) this.list.replaceChildren();
    for (const script of scripts) {
      let row = this.#rows.get(script.id);
      if (row === undefined) {
        row = new ScriptRow(this.#app, script, { changed: () => this.#load(), edit: (each) => this.#edit(each) });
        this.#rows.set(script.id, row);
        this.list.prepend(row.element);
      } else {
        row.update(script);
      }
      row.element.classList.toggle("selected", String(script.id) === this.#selected);
    }
  }
}
