// Building and updating the document. Text only ever becomes text nodes and attribute values: nothing is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "rect", "line", "text", "title", "circle", "polyline", "defs", "marker", "tspan"]);

// An SVG link is "svg:a", since HTML has one of the same name.
// h("a", {href: "#/", class: "x", style: {width: "3%"}}, child, ...): null and false children are left out.
export function h(tag, attributes, ...children) {
  const el = tag === "svg:a" ? document.createElementNS(SVG, "a") : SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") {
      for (const [property, v] of Object.entries(value)) el.style.setProperty(property, v);
    } else {
      el.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    el.append(child instanceof Node ? child : String(child));
  }
  return el;
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function morphAttributes(a, b) {
  for (const { name } of [...a.attributes]) {
    if (!b.hasAttribute(name) && !(name === "open" && a.nodeName === "DETAILS")) a.removeAttribute(name);
  }
  for (const { name, value } of b.attributes) {
    if (name === "style") {
      if (a.style.cssText !== b.style.cssText) a.style.cssText = b.style.cssText; // by CSSOM, as the content policy wants it
    } else if (a.getAttribute(name) !== value) {
      a.setAttribute(name, value);
    }
  }
}

// Makes the tree at a equal to b, changing only what differs: focus, selection, scrolling and open details stay.
export function morph(a, b) {
  if (!sameKind(a, b)) {
    a.replaceWith(b);
    return;
  }
  if (a.nodeType !== Node.ELEMENT_NODE) {
    if (a.data !== b.data) a.data = b.data;
    return;
  }
  if (a.isEqualNode(b)) return;
  morphAttributes(a, b);
  const keyed = new Map();
  for (const child of a.childNodes) if (keyOf(child) !== null) keyed.set(keyOf(child), child);
  let at = a.firstChild;
  for (const want of [...b.childNodes]) {
    const key = keyOf(want);
    const found = key !== null ? keyed.get(key) : at && keyOf(at) === null ? at : null;
    if (found && sameKind(found, want)) {
      if (found === at) at = at.nextSibling;
      else a.insertBefore(found, at);
      if (key !== null) keyed.delete(key);
      morph(found, want);
    } else {
      a.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Replaces what container shows.
export function show(container, ...children) {
  const next = container.cloneNode(false);
  next.append(...children.flat(Infinity).filter((c) => c));
  morph(container, next);
}
