// Settings and what they mean.
import { h } from "/dom.js";

export function settings(rows) {
  return [h("h1", {}, "Settings"),
    h("p", { class: "muted" }, "Given with ", h("code", {}, "--conf key=value"), " or ", h("code", {}, "SET key = value"), "; these are the defaults."),
    h("div", { class: "table-wrap" }, h("table", { class: "settings" },
      h("thead", {}, h("tr", {}, ["Setting", "Default", "Meaning"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, rows.map((r) => h("tr", { "data-key": r.key }, h("th", { scope: "row", class: "code" }, r.key),
        h("td", { class: "code", "data-label": "Default" }, r.default || "–"), h("td", { "data-label": "Meaning" }, r.meaning))))))];
}
