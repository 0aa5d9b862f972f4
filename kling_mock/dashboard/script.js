// @ts-check
/** One script in the list of scripts: its document, uses and end, the nearest misses, and its switch. */

/** @import {App} from "./hub.js" */
/** @import {ScriptInfo, ScriptMisses} from "./models.js" */

import { messageOf } from "./api.js";
import { fill, h, setText } from "./dom.js";
import { counted, duration, excerpt, visible } from "./format.js";
import { actionButton, outputLine, replyChip } from "./widgets.js";

export class ScriptRow {
  #app;
  #script;

  /**
   * @param {App} app
   * @param {ScriptInfo} script
   * @param {{ changed: () => Promise<void>, edit: (script: ScriptInfo) => void }} handlers
   */
  constructor(app, script, { changed, edit }) {
    this.#app = app;
    this.#script = script;
    const path = `scripts/${script.id}`;
    const output = outputLine();
    this.title = h("span", { class: "grow value" });
    this.uses = h("span", { class: "count" });
    this.document = h("pre", { tabindex: 0, "aria-label": `Document of script ${script.id}` });
    this.end = h("p", { class: "sub" });
    this.misses = h("div");
    this.switch = actionButton("", output, async () => {
      await app.api.send("PATCH", path, { enabled: !this.#script.enabled });
      await changed();
    });
    const misses = h("details", { ontoggle: () => misses.open && void this.#loadMisses() }, h("summary", {}, "Nearest misses"), this.misses);
    this.element = h("article", { class: "script" },
      h("header", {}, h("strong", {}, `#${script.id}`), this.title, this.uses), this.document, this.end,
      h("div", { class: "actions" }, this.switch,
        actionButton("Edit", output, async () => edit(this.#script), { "aria-label": `Edit script ${script.id}` }),
        actionButton("Remove", output, async () => {
          await app.api.send("DELETE", path);
          await changed();
        }, { "aria-label": `Remove script ${script.id}` })), output, misses);
    this.update(script);
  }

  /** @param {ScriptInfo} script */
  update(script) {
    this.#script = script;
    setText(this.title, visible(script.description));
    setText(this.uses, counted(script.used, "use"));
    setText(this.document, visible(JSON.stringify(script.document, null, 2)));
    setText(this.switch, script.enabled ? "Switch off" : "Switch on");
    this.switch.setAttribute("aria-label", `${this.switch.textContent} script ${script.id}`);
    this.element.classList.toggle("off", !script.enabled);
    this.tick();
  }

  /** Shows the time until the script ends. */
  tick() {
    setText(this.end, endOf(this.#script, this.#app.clock.now()));
  }

  async #loadMisses() {
    try {
      /** @type {ScriptMisses} */
      const { misses } = await this.#app.api.get(`scripts/${this.#script.id}/misses`);
      fill(this.misses, misses.length === 0 && h("p", { class: "muted" }, "No call came close."),
        ...misses.map(({ call, reasons }) => h("p", {}, replyChip(call.status), " ",
          h("a", { href: `#/calls/${encodeURIComponent(call.id)}` }, `${call.method} ${excerpt(call.path, 60)}`),
          h("span", { class: "sub value" }, ` ${visible(reasons.join("; "))}`))));
    } catch (error) {
      fill(this.misses, h("p", { class: "problem" }, messageOf(error)));
    }
  }
}

/**
 * When a script ends, in words.
 * @param {ScriptInfo} script
 * @param {number} now in Unix seconds, of the server
 */
function endOf(script, now) {
  const uses = script.uses_left === null ? "any number of uses" : `${counted(script.uses_left, "use")} left`;
  const account = script.account === null ? "" : ` · of ${script.account}`;
  const off = script.enabled ? "" : "switched off · ";
  if (script.until === null) return off + uses + account;
  return `${off}${uses} · ${script.until > now ? `ends in ${duration(script.until - now)}` : "ended"}${account}`;
}
