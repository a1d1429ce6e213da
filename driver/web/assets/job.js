// One job: its statement, error, graph, stages, and when its attempts ran; and one stage with its attempts.
import { h } from "/dom.js";
import { bar, bytes, chip, clock, count, duration, reason, sql, state, time } from "/text.js";
import { meaning } from "/terms.js";
import { dag } from "/dag.js";

function facts(pairs) {
  return h("dl", { class: "headline" }, pairs.filter(([, v]) => v !== null).map(([k, v]) => h("div", { title: meaning(k) }, h("dt", {}, k), h("dd", {}, v))));
}

// Those of one job, or of all with a link to each one's job.
function stageTable(stages, ofJob) {
  const writes = stages.some((s) => s.outputBytes);
  const columns = ["Stage", !ofJob && "Job", "State", "What it does", "Tasks", "Rows read", "Input", "Shuffle read", "Rows out", "Shuffle write", writes && "Output", "Task time", "Duration"].filter((t) => t);
  return h("div", { class: "table-wrap" }, h("table", { class: "stages" },
    h("thead", {}, h("tr", {}, columns.map((t) => h("th", { scope: "col", class: columns.indexOf(t) > columns.indexOf("Tasks") ? "right" : "", title: meaning(t) }, t)))),
    h("tbody", {}, stages.map((s) => h("tr", { "data-key": s.stageId },
      h("td", { class: "num", "data-label": "Stage" }, h("a", { href: `#/stages/${s.stageId}` }, s.stageOfJob)),
      ofJob ? null : h("td", { class: "num", "data-label": "Job" }, h("a", { href: `#/jobs/${s.jobId}` }, s.jobId)),
      h("td", { "data-label": "State" }, chip(state(s))),
      h("td", { class: "statement" }, h("span", { class: "one-line" }, s.name), s.failureReason ? reason(s, s.failureReason) : null),
      h("td", { "data-label": "Tasks" }, h("div", { class: "tasks" }, bar(s.numCompleteTasks, s.numActiveTasks, s.numTasks, s.numFailedTasks),
        h("span", { class: "num muted small" }, `${count(s.numCompleteTasks)}/${count(s.numTasks)}` + (s.numFailedTasks ? `, ${s.numFailedTasks} failed` : "")))),
      h("td", { class: "num right", "data-label": "Rows read" }, s.inputRecords ? count(s.inputRecords) : "–"),
      h("td", { class: "num right", "data-label": "Input" }, s.inputBytes ? bytes(s.inputBytes) : "–"),
      h("td", { class: "num right", "data-label": "Shuffle read" }, s.shuffleReadBytes ? bytes(s.shuffleReadBytes) : "–"),
      h("td", { class: "num right", "data-label": "Rows out" }, count(s.shuffleWriteRecords || s.outputRecords || s.resultRecords)),
      h("td", { class: "num right", "data-label": "Shuffle write" }, s.shuffleWriteBytes ? bytes(s.shuffleWriteBytes) : "–"),
      writes ? h("td", { class: "num right", "data-label": "Output" }, s.outputBytes ? bytes(s.outputBytes) : "–") : null,
      h("td", { class: "num right", "data-label": "Task time" }, duration(s.executorRunTime)),
      h("td", { class: "num right", "data-label": "Duration" }, s.submissionTime ? duration(s.durationMs) : "–"))))));
}

// ---- when attempts ran: a lane a slot ----

const WIDTH = 1000, LANE = 13;
const OUTCOMES = ["running", "done", "failed", "killed"];

function lanesOf(attempts) {
  const ends = [];
  for (const a of [...attempts].sort((p, q) => p[4] - q[4])) {
    let lane = ends.findIndex((end) => end <= a[4] + 0.05);
    if (lane < 0) lane = ends.length;
    ends[lane] = a[5];
    a.lane = lane;
  }
  return ends.length;
}

function timeline(o) {
  if (!o.attempts.length) return null;
  const order = new Map(o.stages.map((s, i) => [s.stageId, i]));
  const end = Math.max(...o.attempts.map((a) => a[5]), 1), scale = WIDTH / end;
  const byExecutor = new Map();
  for (const a of o.attempts) {
    if (!byExecutor.has(a[2])) byExecutor.set(a[2], []);
    byExecutor.get(a[2]).push(a);
  }
  const groups = [...byExecutor].sort((a, b) => a[0] - b[0]).map(([id, list]) => {
    const lanes = Math.min(lanesOf(list), 32);
    return h("div", { class: "lanes", "data-key": "e" + id }, h("p", { class: "lane-name num" }, "executor " + id),
      h("svg", { viewBox: `0 0 ${WIDTH} ${lanes * LANE}`, preserveAspectRatio: "none", style: { height: lanes * LANE + "px" }, role: "img",
          "aria-label": `attempts on executor ${id}: ${list.length}` },
        list.filter((a) => a.lane < lanes).map((a) => h("rect", { class: `attempt hue${order.get(a[0]) % 8} ${OUTCOMES[a[3]]}`, x: (a[4] * scale).toFixed(2), y: a.lane * LANE + 1,
            width: Math.max(1.2, (a[5] - a[4]) * scale).toFixed(2), height: LANE - 2 },
          h("title", {}, `stage ${a[0]}, partition ${a[1]}, ${OUTCOMES[a[3]]}: ${duration(a[5] - a[4])}`)))));
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((t) => h("span", {}, duration(end * t)));
  const legend = o.stages.map((s, i) => h("li", {}, h("span", { class: `swatch hue${i % 8}` }), `stage ${s.stageOfJob}`));
  return h("section", { "data-key": "timeline" }, h("h2", {}, "Attempts over time"),
    h("div", { class: "card timeline" }, groups, h("div", { class: "axis num", "aria-hidden": "true" }, ticks), h("ul", { class: "legend" }, legend)));
}

export function job(o) {
  const now = time(o.now), j = o.job;
  const ms = j.status === "RUNNING" ? now - time(j.submissionTime) : j.durationMs;
  return [
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Overview"), " / ", h("a", { href: "#/jobs" }, "Jobs")),
    h("div", { class: "row" }, h("h1", {}, "Job " + j.jobId), chip(state(j))),
    facts([["duration", duration(ms)], ["started", clock(j.submissionTime)], ["stages", o.stages.length || null], ["tasks", j.numTasks ? `${count(j.numCompletedTasks)} of ${count(j.numTasks)}` : null],
      ["failed attempts", j.numFailedTasks ? h("span", { class: "bad" }, j.numFailedTasks) : null], ["rows read", j.inputRecords ? count(j.inputRecords) : null],
      ["rows out", j.resultRecords ? count(j.resultRecords) : null], ["user", o.user]]),
    j.error ? h("section", { class: j.cancelled ? "error-box calm" : "error-box", role: "alert" }, h("pre", {}, j.error)) : null,
    h("section", {}, h("pre", { class: "sql block", tabindex: "0" }, sql(j.name))),
    o.stages.length ? h("section", { "data-key": "dag" }, h("h2", {}, "Stages"), h("div", { class: "card flush" }, dag(o.stages))) : null,
    timeline(o),
    o.stages.length ? h("section", { "data-key": "stages" }, h("h2", {}, "In numbers"), stageTable(o.stages, true)) : null,
    o.stages.length ? h("section", { "data-key": "plan" }, h("details", { class: "plan" }, h("summary", {}, "Physical plan"), h("p", { class: "muted small" }, "Inside a plan, stages are counted within the job."),
      o.stages.map((s) => [h("h3", {}, "Stage " + s.stageOfJob), h("pre", {}, s.details)]))) : null,
  ];
}

// ---- all stages ----

export function allStages(stages, limit) {
  return [h("h1", {}, "Stages"),
    stages.length >= limit ? h("p", { class: "muted" }, `The latest ${limit}; the page of a job has all of its own.`) : null,
    stages.length ? stageTable(stages, false) : h("div", { class: "empty" }, h("p", {}, "None yet."))];
}

// ---- a stage ----

const QUANTILES = ["least", "25 %", "median", "75 %", "most"];
const SUMMARY = [["duration", (s) => s.duration, duration], ["task time", (s) => s.executorRunTime, duration], ["peak memory", (s) => s.peakExecutionMemory, bytes],
  ["rows read", (s) => s.inputMetrics.recordsRead, count], ["input", (s) => s.inputMetrics.bytesRead, bytes], ["shuffle read", (s) => s.shuffleReadMetrics.readBytes, bytes],
  ["rows out", (s) => s.shuffleWriteMetrics.writeRecords, count], ["shuffle write", (s) => s.shuffleWriteMetrics.writeBytes, bytes]];

function summary(q) {
  const rows = SUMMARY.filter(([, get]) => get(q).some((v) => v));
  if (!rows.length) return null;
  return h("section", {}, h("h2", {}, "How even the tasks are"), h("div", { class: "table-wrap" }, h("table", { class: "summary" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "of one attempt"), QUANTILES.map((t) => h("th", { scope: "col", class: "right" }, t)))),
    h("tbody", {}, rows.map(([name, get, format]) => h("tr", {}, h("th", { scope: "row", title: meaning(name) }, name), get(q).map((v) => h("td", { class: "num right" }, format(v)))))))));
}

function attemptTable(tasks) {
  return h("div", { class: "table-wrap" }, h("table", { class: "attempts" },
    h("thead", {}, h("tr", {}, ["Attempt", "Partition", "Try", "State", "Executor", "Launched", "Rows read", "Rows out", "Peak memory", "Task time", "Duration"].map((t, i) => h("th", { scope: "col", class: i > 4 ? "right" : "", title: meaning(t) }, t)))),
    h("tbody", {}, tasks.map((t) => {
      const m = t.taskMetrics;
      return h("tr", { "data-key": t.taskIdText },
        h("td", { class: "num", "data-label": "Attempt" }, t.taskIdText),
        h("td", { class: "num", "data-label": "Partition" }, t.partitionId),
        h("td", { class: "num", "data-label": "Try" }, t.attempt + 1),
        h("td", { "data-label": "State" }, chip(t.status), t.errorMessage ? h("span", { class: "reason one-line" }, t.errorMessage.split("\n")[0]) : null),
        h("td", { class: "num", "data-label": "Executor" }, t.executorId),
        h("td", { class: "num right muted", "data-label": "Launched" }, clock(t.launchTime)),
        h("td", { class: "num right", "data-label": "Rows read" }, count(m.inputMetrics.recordsRead)),
        h("td", { class: "num right", "data-label": "Rows out" }, count(m.shuffleWriteMetrics.recordsWritten || m.outputMetrics.recordsWritten)),
        h("td", { class: "num right", "data-label": "Peak memory" }, bytes(m.peakExecutionMemory)),
        h("td", { class: "num right", "data-label": "Task time" }, t.status === "SUCCESS" ? duration(m.executorRunTime) : "–"),
        h("td", { class: "num right", "data-label": "Duration" }, duration(t.duration)));
    }))));
}

export const PAGE = 50;

export function stage(s, quantiles, tasks, page) {
  const attempts = s.numAttempts, last = Math.max(0, Math.ceil(attempts / PAGE) - 1);
  return [
    h("p", { class: "crumbs" }, h("a", { href: "#/stages" }, "Stages"), " / ", h("a", { href: `#/jobs/${s.jobId}` }, "Job " + s.jobId)),
    h("div", { class: "row" }, h("h1", {}, `Stage ${s.stageOfJob} of job ${s.jobId}`), chip(state(s))),
    h("p", { class: "lead" }, s.name),
    facts([["duration", s.submissionTime ? duration(s.durationMs) : "–"], ["tasks", `${count(s.numCompleteTasks)} of ${count(s.numTasks)}`], ["attempts", count(attempts)],
      ["failed attempts", s.numFailedTasks ? h("span", { class: "bad" }, s.numFailedTasks) : null], ["task time", duration(s.executorRunTime)], ["peak memory", bytes(s.peakExecutionMemory)]]),
    s.failureReason ? h("section", { class: s.cancelled ? "error-box calm" : "error-box", role: "alert" }, h("pre", {}, s.failureReason)) : null,
    summary(quantiles),
    h("section", {}, h("div", { class: "row" }, h("h2", {}, "Attempts"), h("span", { class: "grow" }),
        last ? h("nav", { class: "tabs", "aria-label": "Pages of attempts" },
          page > 0 ? h("a", { href: `#/stages/${s.stageId}?${page - 1}` }, "Earlier") : null, h("span", { class: "muted" }, `${page + 1} of ${last + 1}`),
          page < last ? h("a", { href: `#/stages/${s.stageId}?${page + 1}` }, "Later") : null) : null),
      tasks.length ? attemptTable(tasks) : h("div", { class: "empty" }, h("p", {}, attempts ? "The records of these attempts have made room for newer ones." : "None yet."))),
    h("section", {}, h("details", { class: "plan", open: true }, h("summary", {}, "Physical plan"), h("pre", {}, s.details))),
  ];
}
