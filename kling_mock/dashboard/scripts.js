// @ts-check
/** The tab of scripts and faults: their uses, their ends, nearest misses, and an editor. */

/** @import {Place} from "./address.js" */
/** @import {App, View} from "./hub.js" */
/** @import {ScriptInfo, ScriptList} from "./models.js" */

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { counted, duration, visible } from "./format.js";
import { actionButton, outputLine, run } from "./widgets.js";

const PAUSE = 200;
const EXAMPLES = [
  { when: { prompt: "*dog*" }, fails: "Image pixel is invalid", times: 2 },
  { next: true, pace: "seconds:1,5" },
  { next_query: true, answers: { status: 503 }, times: 3 },
  { when_request: { path: "*" }, delays: 2, lasting: 60 },
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
  #timer = 0;
  /** @type {ScriptInfo[]} */
  #scripts = [];
  /** @type {string | null} */
  #selected = null;
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.output = outputLine();
    this.editor = h("textarea", { rows: 9, class: "mono", "aria-label": "Document of a script", spellcheck: "false" });
    this.editor.value = JSON.stringify(EXAMPLES[0], null, 2);
    const examples = h("select", { "aria-label": "Example" },
      ...EXAMPLES.map((example, index) => h("option", { value: index }, JSON.stringify(example).slice(0, 70))));
    examples.addEventListener("change", () => (this.editor.value = JSON.stringify(EXAMPLES[examples.selectedIndex], null, 2)));
    const submit = h("button", { type: "submit", class: "primary" }, "Write script");
    const form = h("form", { class: "form" }, h("h2", {}, "New script"),
      h("p", { class: "muted" }, "A document with the vocabulary of Python: which requests, then what happens to them."),
      h("label", {}, h("span", {}, "Example"), examples), this.editor, h("div", { class: "actions" }, submit), this.output);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void run(submit, this.output, async () => {
        /** @type {ScriptInfo} */
        const written = await app.api.send("POST", "scripts", JSON.parse(this.editor.value));
        await this.#load();
        return `Written as #${written.id}`;
      });
    });
    this.rows = h("div", { class: "script-rows" });
    this.element = h("div", { class: "view pages" }, h("div", { class: "columns" }, this.rows, form));
    for (const topic of /** @type {const} */ (["script", "call", "clock", "reload"])) app.hub.on(topic, () => this.#later());
    app.hub.on("tick", () => this.#shown && this.#tick());
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

  #later() {
    if (!this.#shown) return;
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      void this.#load();
    }, PAUSE);
  }

  async #load() {
    try {
      /** @type {ScriptList} */
      const list = await this.#app.api.get("scripts");
      this.#scripts = list.scripts;
      fill(this.rows, h("h2", {}, counted(list.scripts.length, "script")),
        list.scripts.length === 0 && h("p", { class: "muted" }, "No script applies to the requests of this server. Write one beside this list, or start the server with --scenario FILE."),
        ...list.scripts.toReversed().map((script) => this.#row(script)));
      this.#tick();
    } catch (error) {
      fill(this.rows, h("p", { class: "problem" }, messageOf(error)));
    }
  }

  /** @param {ScriptInfo} script */
  #row(script) {
    const output = outputLine();
    const path = `scripts/${script.id}`;
    return h("article", { class: `script${String(script.id) === this.#selected ? " selected" : ""}`, "data-id": script.id },
      h("header", {}, h("strong", {}, `#${script.id}`), h("span", { class: "grow value" }, visible(script.description)),
        h("span", { class: "count" }, `${counted(script.used, "use")}`)),
      h("pre", { tabindex: 0 }, visible(JSON.stringify(script.document, null, 2))),
      h("p", { class: "sub end" }),
      h("div", { class: "actions" },
        actionButton("Edit a copy", output, async () => {
          this.editor.value = JSON.stringify(script.document, null, 2);
          this.editor.focus();
        }),
        actionButton("Remove", output, async () => {
          await this.#app.api.send("DELETE", path);
          await this.#load();
        })), output);
  }

  #tick() {
    const now = this.#app.clock.now();
    for (const row of this.rows.querySelectorAll("article")) {
      const script = this.#scripts.find((each) => String(each.id) === row.dataset["id"]);
      const text = row.querySelector(".end");
      if (script && text) text.textContent = endOf(script, now);
    }
  }
}

/**
 * When a script ends.
 * @param {ScriptInfo} script
 * @param {number} now
 */
function endOf(script, now) {
  const uses = script.uses_left === null ? "any number of uses" : `${counted(script.uses_left, "use")} left`;
  const account = script.account === null ? "" : ` · of ${script.account}`;
  if (script.until === null) return uses + account;
  return `${uses} · ${script.until > now ? `ends in ${duration(script.until - now)}` : "ended"}${account}`;
}
