"""Style and script of the HTML report. The script only adds a filter and copy buttons."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6470; --page: #fff; --card: #f6f7f9;
  --line: #d9dde3; --bad: #b42318; --warn: #8a5a00; --good: #1a7f37; --code: #eef0f3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa4b1; --page: #14171a;
  --card: #1c2126; --line: #333a42; --bad: #ff7b72; --warn: #e3b341; --good: #56d364; --code: #0d1013; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; font-weight: 500; margin: .5rem 0; }
h1 b { text-transform: capitalize; }
.code-0 h1 b { color: var(--good); } .code-1 h1 b { color: var(--bad); } .code-4 h1 b { color: var(--warn); }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
small, header p, .rule, footer, dt { color: var(--soft); } small { font-weight: 400; }
header p { font-size: .9rem; margin: .25rem 0 .75rem; }
.bar { display: flex; flex-wrap: wrap; gap: 3px; }
.bar a { flex-basis: auto; padding: .15rem .6rem; border-radius: 4px; background: var(--card);
  color: var(--ink); text-decoration: none; font-size: .9rem; white-space: nowrap;
  border-bottom: 3px solid var(--soft); }
.bar .failed { border-color: var(--bad); } .bar .passed { border-color: var(--good); }
.bar .known, .bar .differs, .bar .inconclusive, .bar .not-run { border-color: var(--warn); }
input, button { font: inherit; padding: .3rem .6rem; border: 1px solid var(--line); border-radius: 4px;
  background: var(--card); color: var(--ink); }
.tools { margin: .75rem 0; gap: .4rem; } .tools:not([hidden]) { display: flex; }
.tools input { flex: 0 1 22rem; min-width: 0; } .tools button { white-space: nowrap; }
details.check, details.group { background: var(--card); border: 1px solid var(--line); border-left-width: 4px;
  border-radius: 6px; margin: .5rem 0; padding: .5rem .8rem; }
.failed { border-left-color: var(--bad) !important; } .passed { border-left-color: var(--good) !important; }
.known, .differs, .inconclusive, .not-run { border-left-color: var(--warn) !important; }
summary { cursor: pointer; } summary code { font-weight: 600; margin-right: .4rem; }
.rule { font-size: .9rem; margin: .4rem 0; }
article { border-top: 1px solid var(--line); margin-top: .6rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .3rem 0; } dd { margin: 0; }
code, pre { font: .85rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.code { position: relative; }
pre { background: var(--code); border-radius: 4px; padding: .6rem 4.5rem .6rem .8rem; margin: .4rem 0;
  max-height: 24rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
pre span { display: block; min-height: 1.5em; padding-left: 2ch; text-indent: -2ch; }
.code button { position: absolute; top: .3rem; right: .3rem; font-size: .75rem; padding: .1rem .5rem; }
ul { padding-left: 1.2rem; margin: .5rem 0; } li { margin: .2rem 0; }
footer { font-size: .85rem; margin: 2rem 0; border-top: 1px solid var(--line); padding-top: .8rem; }
@media (max-width: 34rem) { dl { display: block; } dt { margin-top: .3rem; font-size: .85rem; }
  pre { padding: 2.2rem .8rem .6rem; } }
@media print { body { max-width: none; } .tools, .code button { display: none !important; }
  pre { max-height: none; overflow: visible; padding-right: .8rem; }
  details::details-content { display: block; content-visibility: visible; height: auto; }
  details.check, details.group { break-inside: avoid-page; } }
"""

SCRIPT: Final = """
const tools = document.querySelector(".tools"), filter = document.getElementById("filter");
const boxes = [...document.querySelectorAll("main details.check, main details.group")];
tools.hidden = false;
filter.addEventListener("input", () => {
  const wanted = filter.value.toLowerCase();
  const fits = (it) => it.textContent.toLowerCase().includes(wanted);
  for (const row of document.querySelectorAll("main .check")) row.hidden = !fits(row);
  for (const box of document.querySelectorAll("main details.group")) {
    box.hidden = !box.querySelector("li:not([hidden])");
    box.open = wanted !== "";
  }
});
const all = document.getElementById("all");
all.addEventListener("click", () => {
  const opens = boxes.some((box) => !box.open && !box.hidden);
  boxes.forEach((box) => { box.open = opens; });
  all.textContent = opens ? "close all" : "open all";
});
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main details:not([open])")];
  closed.forEach((box) => { box.open = true; });
});
addEventListener("afterprint", () => closed.forEach((box) => { box.open = false; }));
for (const code of document.querySelectorAll(".code")) {
  const button = document.createElement("button");
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    const lines = [...code.querySelectorAll("span")].map((it) => it.textContent);
    try { await navigator.clipboard.writeText(lines.join("\\n"));
      button.textContent = "copied"; }
    catch { getSelection().selectAllChildren(code.querySelector("pre")); button.textContent = "selected"; }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  code.append(button);
}
"""
