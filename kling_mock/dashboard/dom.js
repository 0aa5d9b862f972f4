// @ts-check
/** Elements. All text becomes text nodes, so that no value is interpreted as HTML. */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Sets attributes; a name that begins with "on" adds a listener. null, undefined and false leave one out.
 * @param {Element} element
 * @param {Attributes} attributes
 */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false) element.append(String(child));
  }
}

/**
 * An HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/**
 * Replaces the children of an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Sets the text of an element. An equal text stays, since a replaced one would be laid out and painted again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The element of the page with this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`);
  return found;
}

/**
 * A URL of a user: a link if it is one of http or https, otherwise text.
 * @param {string} url
 */
export function linked(url) {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return h("span", { class: "mono" }, url);
  return h("a", { href: url, rel: "noreferrer noopener", target: "_blank", class: "mono" }, url);
}

/**
 * Rows of a name and a value.
 * @param {Array<[string, Child] | null | false>} rows
 */
export function facts(rows) {
  const list = h("dl", { class: "facts" });
  for (const row of rows) if (row) list.append(h("dt", {}, row[0]), h("dd", {}, row[1]));
  return list;
}

/**
 * A section of a detail, with a heading.
 * @param {string} title
 * @param {...Child} children
 */
export function section(title, ...children) {
  return h("section", {}, h("h3", {}, title), ...children);
}

// A cell with a text of at most this length is not broken into lines.
const SHORT = 14;

/**
 * A table with a row of names.
 * @param {string[]} names
 * @param {Child[][]} rows
 */
export function table(names, rows) {
  return h("div", { class: "table-box" }, h("table", {},
    h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", { class: typeof cell === "string" && cell.length <= SHORT ? "short" : "" }, cell)))))));
}
