// The first page: the cluster's load, what runs, executors, the latest jobs.
import { h } from "/dom.js";
import { ago, bar, bytes, chip, clock, count, duration, oneLine, reason, sql, state, time } from "/text.js";
import { meaning } from "/terms.js";

// ---- charts of the last five minutes ----

const WIDTH = 300, HEIGHT = 46, POINTS_MIN = 60;

function area(values, max) {
  const points = Math.max(POINTS_MIN, values.length);
  const top = Math.max(max, 1e-9), x = (i) => WIDTH - ((values.length - 1 - i) * WIDTH) / (points - 1);
  const y = (v) => HEIGHT - 1 - (Math.min(v, top) / top) * (HEIGHT - 4);
  const line = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return h("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    values.length > 1 && h("path", { class: "spark-area", d: `${line}L${WIDTH} ${HEIGHT}L${x(0).toFixed(1)} ${HEIGHT}Z` }),
    values.length > 1 && h("path", { class: "spark-line", d: line }));
}

// The change a second of a counter, smoothed over three seconds: attempts report when they end.
function rates(samples, index) {
  const out = [];
  for (let i = 1; i < samples.length; i++) {
    const from = samples[Math.max(0, i - 3)], to = samples[i];
    out.push(Math.max(0, ((to[index] - from[index]) * 1000) / Math.max(1, to[0] - from[0])));
  }
  return out;
}

function tile(name, value, note, values, max) {
  return h("section", { class: "tile", title: meaning(name) }, h("h3", {}, name), h("p", { class: "value" }, value), h("p", { class: "note" }, note), area(values, max));
}

const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const rate = (n) => (n > 0 && n < 10 ? n.toFixed(1) : count(n));

function load(o) {
  const s = o.samples, now = s[s.length - 1] ?? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const live = o.executors.filter((x) => x.isActive);
  const slots = live.reduce((n, x) => n + x.totalCores, 0), memory = live.reduce((n, x) => n + x.maxMemory, 0);
  const busy = live.reduce((n, x) => n + Math.min(x.activeTasks, x.totalCores), 0);
  const used = live.reduce((n, x) => n + x.memoryUsed, 0), resident = live.reduce((n, x) => n + x.residentBytes, 0);
  const tasks = rates(s, 6), rows = rates(s, 7), shuffled = rates(s, 9);
  const last = (a) => a[a.length - 1] ?? 0, top = (a) => Math.max(...a, 0);
  return h("div", { class: "tiles", "aria-label": "Load of the last five minutes" },
    tile("Slots busy", [busy, h("small", {}, " of " + slots)], `${many(live.length, "executor")} live, ${rate(last(tasks))} tasks/s`, s.map((x) => x[2]), Math.max(slots, ...s.map((x) => x[1]))),
    tile("Rows read", [count(last(rows)), h("small", {}, " /s")], busy && !last(rows) ? "counted as tasks end" : count(now[7]) + " since the start", rows, top(rows)),
    tile("Shuffle read", [bytes(last(shuffled)), h("small", {}, " /s")], busy && !last(shuffled) ? "counted as tasks end" : bytes(now[9]) + " since the start", shuffled, top(shuffled)),
    tile("Memory of data", [bytes(used), h("small", {}, " of " + bytes(memory))], bytes(resident) + " resident", s.map((x) => x[4]), top(s.map((x) => x[4])) * 1.2));
}

// ---- what runs ----

function runningStage(stage) {
  return h("li", { class: "stage-line", "data-key": stage.stageId },
    h("a", { class: "stage-name", href: `#/stages/${stage.stageId}` }, stage.name || "stage"),
    bar(stage.numCompleteTasks, stage.numActiveTasks, stage.numTasks, stage.numFailedTasks),
    h("span", { class: "num" }, `${stage.numCompleteTasks}/${stage.numTasks}`),
    h("span", { class: "num muted", title: meaning("rows read") }, stage.inputRecords ? count(stage.inputRecords) + " rows" : ""));
}

function runningJob(job, stages, now) {
  const ms = now - time(job.submissionTime);
  const shown = stages.filter((s) => s.jobId === job.jobId && (s.status === "ACTIVE" || s.status === "PENDING" || s.status === "COMPLETE"));
  return h("article", { class: "card running-job", "data-key": job.jobId },
    h("header", {}, h("a", { class: "job-title", href: `#/jobs/${job.jobId}` }, "Job " + job.jobId), chip(job.status),
      h("span", { class: "grow" }), h("span", { class: "num elapsed" }, duration(ms))),
    h("p", { class: "sql one-line" }, sql(oneLine(job.name))),
    shown.length ? h("ul", { class: "stage-lines" }, shown.map(runningStage)) : h("p", { class: "muted" }, "planning"));
}

function running(o, now) {
  const jobs = o.jobs.filter((j) => j.status === "RUNNING");
  if (!jobs.length) return null;
  return h("section", { "data-key": "running" }, h("h2", {}, "Running"), h("div", { class: "cards" }, jobs.map((j) => runningJob(j, o.stages, now))));
}

// ---- executors ----

function slotRow(x) {
  const n = Math.min(x.totalCores, 64), busy = Math.min(x.activeTasks, n);
  return h("div", { class: "slots", role: "img", "aria-label": `${busy} of ${x.totalCores} slots busy` },
    Array.from({ length: n }, (_, i) => h("span", { class: i < busy ? "slot busy" : "slot" })),
    x.totalCores > n ? h("span", { class: "muted" }, `+${x.totalCores - n}`) : null);
}

function fact(name, value) {
  return h("div", { title: meaning(name) }, h("dt", {}, name), h("dd", {}, value));
}

function executorCard(x, now) {
  const share = x.maxMemory ? Math.min(100, (100 * x.memoryUsed) / x.maxMemory) : 0;
  return h("article", { class: x.isActive || x.stopped ? "card executor" : "card executor lost", "data-key": "x" + x.id },
    h("header", {}, h("h3", {}, "Executor " + x.id), chip(x.isActive ? "LIVE" : x.stopped ? "STOPPED" : "LOST"), h("span", { class: "grow" }), h("span", { class: "muted num" }, x.hostPort)),
    x.isActive
      ? [slotRow(x),
         h("div", { class: "meter", role: "meter", "aria-valuemin": 0, "aria-valuemax": x.maxMemory, "aria-valuenow": x.memoryUsed, "aria-label": "memory of data in use" },
           h("div", { style: { width: share + "%" } })),
         h("p", { class: "muted small" }, `${bytes(x.memoryUsed)} of ${bytes(x.maxMemory)} data, ${bytes(x.residentBytes)} resident`)]
      : h("p", { class: x.stopped ? "reason calm" : "reason" }, x.removeReason ?? "gone", x.removeTime ? h("span", { class: "muted" }, " · " + ago(x.removeTime, now)) : null),
    h("dl", { class: "facts" }, fact("tasks done", count(x.completedTasks)), fact("tasks failed", h("span", { class: x.failedTasks ? "bad" : "" }, count(x.failedTasks))),
      fact("rows read", count(x.totalInputRecords)), fact("shuffle read", bytes(x.totalShuffleRead)), fact("pid", x.pid || "–")));
}

function executors(o, now) {
  const list = [...o.executors].sort((a, b) => b.isActive - a.isActive || (a.isActive ? a.id - b.id : b.id - a.id)).slice(0, 60);
  return h("section", { "data-key": "executors" }, h("h2", {}, "Executors"),
    list.length ? h("div", { class: "cards three" }, list.map((x) => executorCard(x, now)))
      : h("div", { class: "empty" }, h("p", {}, "No executor has come yet. Start one:"), h("pre", {}, `drover executor --driver ${o.driver}`)));
}

// ---- jobs ----

export function jobTable(jobs, now) {
  return h("div", { class: "table-wrap" }, h("table", { class: "jobs" },
    h("thead", {}, h("tr", {}, ["Job", "State", "Statement", "Stages", "Tasks", "Rows read", "Duration", "Started"].map((t, i) =>
      h("th", { scope: "col", class: i > 4 || i === 3 ? "right" : "", title: meaning(t) }, t)))),
    h("tbody", {}, jobs.map((j) => {
      const ms = j.status === "RUNNING" ? now - time(j.submissionTime) : j.durationMs;
      return h("tr", { "data-key": j.jobId, class: "state-" + state(j).toLowerCase() },
        h("td", { class: "num", "data-label": "Job" }, h("a", { href: `#/jobs/${j.jobId}` }, j.jobId)),
        h("td", { "data-label": "State" }, chip(state(j))),
        h("td", { class: "statement" }, h("a", { class: "sql one-line", href: `#/jobs/${j.jobId}`, tabindex: "-1" }, sql(oneLine(j.name).slice(0, 300))),
          j.error ? reason(j, j.error) : null),
        h("td", { class: "num right", "data-label": "Stages" }, j.stageIds.length || "–"),
        h("td", { "data-label": "Tasks" }, j.numTasks ? h("div", { class: "tasks" }, bar(j.numCompletedTasks, j.numActiveTasks, j.numTasks, j.numFailedTasks),
          h("span", { class: "num muted small" }, `${count(j.numCompletedTasks)}/${count(j.numTasks)}`)) : h("span", { class: "muted" }, "–")),
        h("td", { class: "num right", "data-label": "Rows read" }, j.inputRecords ? count(j.inputRecords) : "–"),
        h("td", { class: "num right", "data-label": "Duration" }, duration(ms)),
        h("td", { class: "num right muted", "data-label": "Started", title: j.submissionTime }, clock(j.submissionTime)));
    }))));
}

// The list has what ran as jobs or failed; the rest is counted, and listed with all.
function counted(o, shown) {
  const ends = [o.failed && `${o.failed} failed`, o.cancelled && `${o.cancelled} cancelled`].filter((t) => t).join(", ");
  return h("p", { class: "muted small", title: "The latest that run, ran as jobs, or failed. Those that the driver answered by itself, such as SET and CREATE VIEW, are among all statements." },
    (shown < o.statements ? `${shown} shown of ` : "") + many(o.statements, "statement") + (ends ? ` (${ends})` : "") + `, ${many(o.sessions, "session")} open`);
}

export function overview(o) {
  const now = time(o.now);
  const jobs = o.jobs.slice(0, 25);
  return [load(o), running(o, now), executors(o, now),
    h("section", { "data-key": "jobs" },
      h("div", { class: "row" }, h("h2", {}, "Jobs"), h("span", { class: "grow" }),
        counted(o, jobs.length)),
      jobs.length ? jobTable(jobs, now) : h("div", { class: "empty" }, h("p", {}, "Nothing has run yet. Try:"), h("pre", {}, `drover sql --driver ${o.driver} "SELECT 1"`)),
      o.statements > jobs.length ? h("p", { class: "more" }, h("a", { href: "#/jobs" }, "All statements")) : null)];
}

export function allJobs(o, status) {
  const tabs = [["", "All statements"], ["RUNNING", "Running"], ["SUCCEEDED", "Done"], ["FAILED", "Failed"], ["CANCELLED", "Cancelled"]];
  const jobs = o.jobs.filter((j) => !status || state(j) === status);
  return [h("div", { class: "row" }, h("h1", {}, "Jobs"), h("span", { class: "grow" }),
      h("nav", { class: "tabs", "aria-label": "By state" }, tabs.map(([s, t]) =>
        h("a", { href: s ? `#/jobs?${s}` : "#/jobs", "aria-current": s === status ? "true" : null }, t)))),
    jobs.length ? jobTable(jobs, time(o.now)) : h("div", { class: "empty" }, h("p", {}, "None."))];
}
