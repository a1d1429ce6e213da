// The stages of a job as a graph, rows flowing from left to right.
import { h } from "/dom.js";
import { bytes, count, state } from "/text.js";

const W = 186, H = 84, GAP_X = 82, GAP_Y = 22, PAD = 8;

// Columns by the longest way from a source; within one, stages stand near those that they read.
function place(stages) {
  const byId = new Map(stages.map((s) => [s.stageId, { stage: s, column: 0, row: 0 }]));
  for (const s of stages) {
    const at = byId.get(s.stageId);
    for (const p of s.parents) if (byId.has(p.stageId)) at.column = Math.max(at.column, byId.get(p.stageId).column + 1);
  }
  // A source that is read late moves next to its reader.
  for (const s of [...stages].reverse()) {
    const readers = stages.filter((r) => r.parents.some((p) => p.stageId === s.stageId)).map((r) => byId.get(r.stageId).column);
    if (readers.length) byId.get(s.stageId).column = Math.max(byId.get(s.stageId).column, Math.min(...readers) - 1);
  }
  const columns = [];
  for (const n of byId.values()) (columns[n.column] ??= []).push(n);
  const wish = (n) => {
    const rows = n.stage.parents.map((p) => byId.get(p.stageId)).filter((p) => p).map((p) => p.row);
    return rows.length ? rows.reduce((a, b) => a + b, 0) / rows.length : n.row;
  };
  columns.forEach((column, c) => {
    if (c) column.sort((a, b) => wish(a) - wish(b));
    let next = 0;
    for (const n of column) {
      n.row = Math.max(next, c ? Math.round(wish(n) * 2) / 2 : next);
      next = n.row + 1;
    }
  });
  return { nodes: [...byId.values()], byId, columns: columns.length, rows: Math.max(...[...byId.values()].map((n) => n.row)) + 1 };
}

const x = (n) => PAD + n.column * (W + GAP_X);
const y = (n) => PAD + n.row * (H + GAP_Y);

function clip(text, chars) {
  return text.length > chars ? text.slice(0, chars - 1) + "…" : text;
}

// A name such as "Scan orders, Filter, HashAggregate" in two lines.
function lines(name) {
  const parts = name.split(", ");
  let first = parts.shift() ?? "";
  while (parts.length && (first + ", " + parts[0]).length <= 25) first += ", " + parts.shift();
  return [clip(first, 26), clip(parts.join(", "), 26)];
}

function node(n) {
  const s = n.stage, left = x(n), top = y(n), share = s.numTasks ? s.numCompleteTasks / s.numTasks : 0;
  const rows = s.shuffleWriteRecords || s.outputRecords || s.resultRecords;
  const [first, second] = lines(s.name), is = state(s).toLowerCase();
  return h("svg:a", { href: `#/stages/${s.stageId}`, "aria-label": `stage ${s.stageOfJob}, ${is}, ${s.numCompleteTasks} of ${s.numTasks} tasks` },
    h("svg", { x: left, y: top, width: W, height: H, class: "node " + is, overflow: "visible" },
      h("title", {}, s.name),
      h("rect", { class: "node-box", width: W, height: H, rx: 9 }),
      h("text", { class: "node-id", x: 12, y: 20 }, "Stage " + s.stageOfJob),
      h("text", { class: "node-state", x: W - 12, y: 20, "text-anchor": "end" }, `${s.numCompleteTasks}/${s.numTasks}`),
      h("text", { class: "node-name", x: 12, y: 37 }, first),
      h("text", { class: "node-name", x: 12, y: 51 }, second),
      h("text", { class: "node-rows", x: 12, y: H - 13 }, rows ? count(rows) + " rows out" : s.status === "ACTIVE" ? "running" : ""),
      h("rect", { class: "node-track", x: 0.5, y: H - 6, width: W - 1, height: 5, rx: 2.5 }),
      h("rect", { class: "node-progress", x: 0.5, y: H - 6, width: Math.max(0, (W - 1) * share), height: 5, rx: 2.5 })));
}

function edge(from, to, exchange) {
  const x1 = x(from) + W, y1 = y(from) + H / 2, x2 = x(to), y2 = y(to) + H / 2, bend = Math.max(36, (x2 - x1) / 2);
  const s = from.stage, label = `${exchange}${s.shuffleWriteBytes ? ", " + bytes(s.shuffleWriteBytes) : ""}`;
  return h("g", { class: "edge" },
    h("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}`, "marker-end": "url(#arrow)" }),
    h("text", { x: (x1 + x2) / 2 - 2, y: (y1 + y2) / 2 - 6, "text-anchor": "middle" },
      h("tspan", { x: (x1 + x2) / 2 - 2, dy: 0 }, exchange), s.shuffleWriteBytes ? h("tspan", { x: (x1 + x2) / 2 - 2, dy: 20 }, bytes(s.shuffleWriteBytes)) : null),
    h("title", {}, label));
}

export function dag(stages) {
  if (!stages.length) return null;
  const g = place(stages);
  const width = PAD * 2 + g.columns * W + (g.columns - 1) * GAP_X, height = PAD * 2 + g.rows * H + (g.rows - 1) * GAP_Y;
  const edges = stages.flatMap((s) => s.parents.filter((p) => g.byId.has(p.stageId)).map((p) => edge(g.byId.get(p.stageId), g.byId.get(s.stageId), p.exchange)));
  return h("div", { class: "dag", tabindex: "0", role: "group", "aria-label": "Stages and the exchanges between them" },
    h("svg", { style: { width: `clamp(${Math.round(width * 0.86)}px, 100%, ${width}px)` }, viewBox: `0 0 ${width} ${height}` },
      h("defs", {}, h("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, h("path", { class: "arrow", d: "M0 0L8 4L0 8Z" }))),
      edges, g.nodes.map(node)));
}
