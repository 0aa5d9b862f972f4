// @ts-check
/** Light or dark: as the system says, or as chosen here. */

import { h } from "./dom.js";

const KEY = "kling-mock-theme";
const THEMES = ["auto", "light", "dark"];

/** The button that changes the theme; it applies the one that was chosen before. */
export function themeButton() {
  const button = h("button", { type: "button", class: "quiet" });
  let theme = localStorage.getItem(KEY) ?? "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    button.textContent = { light: "☀", dark: "☾" }[theme] ?? "◑";
    button.title = `Theme: ${theme}`;
    button.setAttribute("aria-label", `Theme: ${theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
    localStorage.setItem(KEY, theme);
    apply();
  });
  apply();
  return button;
}
