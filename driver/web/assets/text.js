// Numbers, times and SQL as people read them.
import { h } from "/dom.js";

export function count(n) {
  if (n < 10000) return String(Math.round(n));
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (n >= size) {
      const v = n / size;
      return (v >= 100 ? v.toFixed(0) : v.toFixed(1)) + " " + unit;
    }
  }
  return String(n);
}

export function bytes(n) {
  if (!n) return "0 B";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const i = Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const v = n / 1024 ** i;
  return (i === 0 || v >= 100 ? v.toFixed(0) : v.toFixed(1)) + " " + units[i];
}

export function duration(ms) {
  if (ms > 0 && ms < 1) return Math.round(ms * 1000) + " µs";
  if (ms < 10 && !Number.isInteger(ms)) return Math.max(0, ms).toFixed(2) + " ms";
  if (ms < 1000) return Math.max(0, Math.round(ms)) + " ms";
  if (ms < 60000) return (ms / 1000).toFixed(ms < 10000 ? 2 : 1) + " s";
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60);
  if (m < 60) return m + " min " + (s % 60) + " s";
  const hours = Math.floor(m / 60);
  return hours < 48 ? hours + " h " + (m % 60) + " min" : Math.floor(hours / 24) + " d " + (hours % 24) + " h";
}

export const time = (text) => (text ? Date.parse(text.replace("GMT", "Z")) : 0);

export function clock(text) {
  return text ? new Date(time(text)).toLocaleTimeString([], { hour12: false }) : "";
}

// How long since, in one unit.
export function since(text, now) {
  const s = Math.max(0, Math.round((now - time(text)) / 1000));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  return s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " d";
}

export const ago = (text, now) => (now - time(text) < 4500 ? "just now" : since(text, now) + " ago");

// A statement in one line.
export const oneLine = (sql) => sql.replace(/--[^\n]*/g, " ").replace(/\s+/g, " ").trim();

const WORDS = new Set(("all and any as asc between by case cast cross cube date desc describe distinct else end except exists explain extract false " +
  "filter first from full group having in inner insert intersect interval into is join last left lateral like limit natural not null nulls offset on or " +
  "order outer over overwrite partition partitioned qualify replace right rlike rollup select semi set show table temporary then timestamp true union unique " +
  "using values view when where with create directory location options drop anti").split(" "));
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")|(`[^`]*`)|(\b\d[\d.]*(?:[eE][+-]?\d+)?\b)|([A-Za-z_]\w*)/g;

// Tokens as spans.
export function sql(text) {
  const out = [];
  let at = 0;
  for (const m of text.matchAll(TOKEN)) {
    if (m.index > at) out.push(text.slice(at, m.index));
    const kind = m[1] ? "comment" : m[2] ? "string" : m[4] ? "number" : m[5] && WORDS.has(m[5].toLowerCase()) ? "word" : null;
    out.push(kind ? h("span", { class: "sql-" + kind }, m[0]) : m[0]);
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}

const STATES = {
  RUNNING: ["running", "running"], ACTIVE: ["running", "running"], SUCCEEDED: ["done", "done"], COMPLETE: ["done", "done"], SUCCESS: ["done", "done"],
  FAILED: ["failed", "failed"], PENDING: ["waiting", "waiting"], SKIPPED: ["waiting", "not run"], KILLED: ["waiting", "killed"], LOST: ["failed", "lost"], LIVE: ["done", "live"],
  CANCELLED: ["waiting", "cancelled"], STOPPED: ["waiting", "stopped"],
};

// Of a job or a stage: in Spark's words what was cancelled has failed, and here it has not.
export const state = (x) => (x.cancelled ? "CANCELLED" : x.status);

export const reason = (x, text) => h("span", { class: x.cancelled ? "reason calm one-line" : "reason one-line" }, text.split("\n")[0]);

export function chip(status) {
  const [kind, word] = STATES[status] ?? ["waiting", status.toLowerCase()];
  return h("span", { class: "chip " + kind }, word);
}

// Tasks as a bar: done, running, failed. The words are for those who cannot see it.
export function bar(done, running, total, failed) {
  const part = (n) => (total ? (100 * n) / total : 0) + "%";
  return h("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": done,
      "aria-label": `${done} of ${total} tasks done, ${running} running` },
    h("div", { class: "bar-done", style: { width: part(done) } }),
    h("div", { class: "bar-running", style: { width: part(Math.min(running, total - done)) } }),
    failed ? h("div", { class: "bar-failed" }) : null);
}
