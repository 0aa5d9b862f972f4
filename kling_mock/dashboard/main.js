// @ts-check
/** The start of the page: its tabs, the connection to the server, and the messages between them. */

/** @import {Place} from "./address.js" */
/** @import {App, View} from "./hub.js" */

import { accountsView } from "./accounts.js";
import { Address, TABS } from "./address.js";
import { Api } from "./api.js";
import { callbacksView } from "./callbacks.js";
import { callsView } from "./calls.js";
import { ClockBar } from "./clock_bar.js";
import { ServerClock } from "./clock.js";
import { byId, fill, h } from "./dom.js";
import { EventFollower } from "./events.js";
import { time } from "./format.js";
import { Hub } from "./hub.js";
import { listenToKeys, showKeys } from "./keys.js";
import { scriptsView } from "./scripts.js";
import { tasksView } from "./tasks.js";
import { themeButton } from "./theme.js";
import { askForToken } from "./token_form.js";

const TICK = 250;

/** @type {Record<string, (app: App) => View>} */
const VIEWS = { tasks: tasksView, calls: callsView, callbacks: callbacksView, scripts: scriptsView, accounts: accountsView };

const api = new Api(new URL("../", import.meta.url));
/** @type {App} */
const app = { api, address: new Address(), clock: new ServerClock(), hub: new Hub() };
const main = byId("main", HTMLElement);
const state = byId("connection", HTMLElement);
const notice = byId("notice", HTMLElement);
/** @type {Map<string, View>} */
const views = new Map();
/** @type {View | null} */
let current = null;

/** @param {Place} place */
function show(place) {
  let view = views.get(place.tab);
  if (view === undefined) {
    view = /** @type {(app: App) => View} */ (VIEWS[place.tab])(app);
    views.set(place.tab, view);
  }
  if (view !== current) {
    current?.hide();
    current = view;
    fill(main, view.element);
    for (const tab of TABS) {
      const link = document.querySelector(`nav a[href="#/${tab}"]`);
      if (tab === place.tab) link?.setAttribute("aria-current", "page");
      else link?.removeAttribute("aria-current");
    }
    document.title = `${place.tab[0]?.toUpperCase()}${place.tab.slice(1)} · kling-mock`;
  }
  view.show(place);
  main.dataset["place"] = location.hash;
}

/** @param {string} text */
function notify(text) {
  const close = h("button", { type: "button", class: "close", "aria-label": "Hide this message", onclick: () => (notice.hidden = true) }, "✕");
  fill(notice, h("span", {}, text), close);
  notice.hidden = false;
}

const follower = new EventFollower(api, {
  onEvent: (name, data) => app.hub.emit(name, data),
  onState: (connection) => {
    state.className = `connection ${connection}`;
    state.textContent = connection;
  },
  onOpen: ({ restarted, lost }) => {
    if (restarted) notify(`The server was restarted or reset at ${time(Date.now() / 1000)}; everything was loaded anew.`);
    if (restarted || lost || current !== null) app.hub.emit("reload");
  },
});
const clockBar = new ClockBar(app);
byId("clock", HTMLElement).append(clockBar.element);
byId("tools", HTMLElement).append(
  h("button", { type: "button", class: "quiet", title: "Keys (?)", "aria-label": "Keys", onclick: showKeys }, "?"), themeButton());
api.onToken = () => askForToken(api, () => {
  app.hub.emit("reload");
  void clockBar.load();
  follower.retry();
});
api.onPending = (count) => main.setAttribute("aria-busy", String(count > 0));
app.address.onChange(show);
listenToKeys(app, () => /** @type {View} */ (current));
show(app.address.place);
void clockBar.load();
void follower.run();
setInterval(() => document.hidden || app.hub.emit("tick"), TICK);
