// @ts-check
/** The tab of accounts: units and concurrency of each, now and over time. */

/** @import {Place} from "./address.js" */
/** @import {App, View} from "./hub.js" */
/** @import {Account, AccountHistory, Accounts} from "./models.js" */

import { messageOf } from "./api.js";
import { stepChart } from "./chart.js";
import { delayed } from "./delayed.js";
import { fill, h } from "./dom.js";
import { emptyAccounts } from "./empty.js";

const PAUSE = 500;
// The histories of further accounts are not loaded.
const CHARTS = 30;

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
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.cards = h("div", { class: "account-cards" });
    this.element = h("div", { class: "view pages" }, this.cards);
    const later = delayed(PAUSE, () => this.#load());
    for (const topic of /** @type {const} */ (["task", "call", "clock", "reload"])) app.hub.on(topic, () => this.#shown && later());
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

  async #load() {
    try {
      /** @type {Accounts} */
      const { accounts, total } = await this.#app.api.get("accounts");
      if (accounts.length === 0) {
        fill(this.cards, h("div", { class: "empty" }, emptyAccounts(this.#app)));
        return;
      }
      const shown = [total, ...accounts];
      const histories = await Promise.all(shown.slice(0, CHARTS).map((account) => this.#history(account.name)));
      fill(this.cards, ...shown.map((account, index) => card(account, histories[index] ?? null)));
    } catch (error) {
      fill(this.cards, h("p", { class: "problem" }, messageOf(error)));
    }
  }

  /**
   * @param {string} name
   * @returns {Promise<AccountHistory>}
   */
  #history(name) {
    return this.#app.api.get(`accounts/${encodeURIComponent(name)}/history`);
  }
}

/**
 * @param {Account} account
 * @param {AccountHistory | null} history
 */
function card(account, history) {
  const all = account.name === "*";
  return h("article", { class: "account-card" }, h("h2", {}, all ? "All accounts" : account.name),
    h("p", { class: "figures" },
      figure(account.spend, "unit"), figure(account.tasks, "task"), figure(account.unfinished, "unfinished image"), figure(account.peak_concurrency, "at the peak", "")),
    history && h("div", { class: "charts" },
      stepChart("Units", history.points.map(({ at, spend }) => ({ at, value: spend })), history.now),
      stepChart("Unfinished images", history.points.map(({ at, unfinished }) => ({ at, value: unfinished })), history.now)),
    !all && h("p", {}, h("a", { href: `#/tasks?account=${encodeURIComponent(account.name)}` }, "Tasks"), " · ",
      h("a", { href: `#/calls?account=${encodeURIComponent(account.name)}` }, "Calls")));
}

/**
 * @param {number} value
 * @param {string} label
 * @param {string} plural the end of the label unless the value is 1
 */
function figure(value, label, plural = "s") {
  return h("span", { class: "figure" }, h("strong", {}, value.toLocaleString("en")), ` ${label}${value === 1 ? "" : plural}`);
}
