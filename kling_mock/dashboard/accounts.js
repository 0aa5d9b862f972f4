// @ts-check
/** The tab of accounts: spend and concurrency of each, now and over time. */

/** @import {Place} from "./address.js" */
/** @import {App, View} from "./hub.js" */
/** @import {Account, Accounts} from "./models.js" */

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { counted } from "./format.js";
import { outputLine } from "./widgets.js";

const PAUSE = 500;

/**
 * @param {App} app
 * @returns {View}
 */
export function accountsView(app) {
  return new AccountsView(app);
}

/** @implements {View} */
class AccountsView {
  #shown = false;
  #timer = 0;
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.output = outputLine();
    this.cards = h("div", { class: "account-cards" });
    this.element = h("div", { class: "view pages" }, this.cards, this.output);
    for (const topic of /** @type {const} */ (["task", "call", "clock", "reload"])) app.hub.on(topic, () => this.#later());
  }

  /** @param {Place} _ */
  show(_) {
    this.#shown = true;
    void this.#load();
  }

  hide() {
    this.#shown = false;
  }

  focusSearch() {}

  #later() {
    if (!this.#shown) return;
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      void this.#load();
    }, PAUSE);
  }

  async #load() {
    try {
      /** @type {Accounts} */
      const { accounts, total } = await this.#app.api.get("accounts");
      if (accounts.length === 0) {
        fill(this.cards, h("div", { class: "empty" }, h("h2", {}, "No accounts yet"), h("p", {}, "Each API key is an account; it appears with its first request.")));
        return;
      }
      fill(this.cards, this.#card(total, "All accounts"), ...accounts.map((account) => this.#card(account, account.name)));
    } catch (error) {
      fill(this.cards, h("p", { class: "problem" }, messageOf(error)));
    }
  }

  /**
   * @param {Account} account
   * @param {string} title
   */
  #card(account, title) {
    return h("article", { class: "account-card" }, h("h2", {}, title),
      h("p", { class: "figures" },
        figure(account.spend, "units"), figure(account.tasks, "tasks"), figure(account.unfinished, "unfinished"), figure(account.peak_concurrency, "peak")),
      title === account.name && h("a", { href: `#/calls?account=${encodeURIComponent(account.name)}` }, counted(account.tasks, "task") + ": calls"));
  }
}

/**
 * @param {number} value
 * @param {string} label
 */
function figure(value, label) {
  return h("span", { class: "figure" }, h("strong", {}, value.toLocaleString("en")), ` ${label}`);
}
