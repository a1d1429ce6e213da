// Which page is shown, and keeping it live: one request a second to one path, whose answer is one moment of the driver. A look that fails
// is tried again more slowly, so a driver that was restarted is found again; a page that nobody sees asks rarely.
import { h, show } from "/dom.js";
import { since, time } from "/text.js";
import { meaning } from "/terms.js";
import { allJobs, overview } from "/overview.js";
import { allStages, job, PAGE, stage } from "/job.js";
import { settings } from "/settings.js";

const page = document.getElementById("page"), live = document.getElementById("live"), driver = document.getElementById("driver");

class Missing extends Error {}

async function get(path) {
  const answer = await fetch("/api/v1/" + path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  const body = await answer.json();
  if (answer.status === 404) throw new Missing(body.error);
  if (!answer.ok) throw new Error(body.error);
  return body;
}

async function stagePage(id, query) {
  const number = Math.max(0, Number(query) || 0);
  const list = await get(`stages/${id}`), s = list[0], of = `applications/${s.applicationId}/stages/${id}/0`;
  const [quantiles, tasks] = await Promise.all([get(`${of}/taskSummary?quantiles=0,0.25,0.5,0.75,1`), get(`${of}/taskList?offset=${number * PAGE}&length=${PAGE}`)]);
  return { title: `Stage ${id}`, body: stage(s, quantiles, tasks, number) };
}

const STAGES = 100;
const ROUTES = [
  [/^\/$/, async () => { const o = await get("overview?limit=25"); return { o, title: null, body: overview(o) }; }],
  [/^\/jobs$/, async (m, query) => { const o = await get("overview?limit=1000&all=true"); return { o, title: "Jobs", body: allJobs(o, query) }; }],
  [/^\/jobs\/(\d+)$/, async (m) => { const o = await get(`overview/${m[1]}`); return { o, title: `Job ${m[1]}`, body: job(o) }; }],
  [/^\/stages\/(\d+)$/, async (m, query) => stagePage(m[1], query)],
  [/^\/stages$/, async () => ({ title: "Stages", body: allStages(await get(`stages?limit=${STAGES}`), STAGES) })],
  [/^\/settings$/, async () => ({ title: "Settings", body: settings(await get("config")) })],
];

function where() {
  const [path, query] = (location.hash.startsWith("#/") ? location.hash.slice(1) : "/").split("?");
  return { path, query: query ?? "" };
}

function markNav(path) {
  for (const a of document.querySelectorAll("#nav a")) {
    const to = a.getAttribute("href").slice(1);
    if (to === path || (to !== "/" && path.startsWith(to))) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

// The driver's address and age: o is any answer that has them.
function head(o) {
  show(driver, h("span", { class: "num" }, o.driver), h("span", { class: "muted", title: meaning("up") }, " up " + since(o.started, time(o.now))));
}

function say(state, text) {
  live.className = "live " + state;
  if (live.textContent !== text) live.textContent = text;
}

let failures = 0, timer = 0, turn = 0;

async function look() {
  clearTimeout(timer);
  const mine = ++turn, { path, query } = where();
  try {
    const [pattern, render] = ROUTES.find(([p]) => p.test(path)) ?? ROUTES[0];
    const { o, title, body } = await render(path.match(pattern), query), of = o ?? (await get("driver"));
    if (mine !== turn) return; // another page was asked for meanwhile
    show(page, body);
    markNav(path);
    head(of);
    document.title = title ? `${title} · Drover` : "Drover";
    failures = 0;
    say("on", "live");
  } catch (error) {
    const of = error instanceof Missing ? await get("driver").catch(() => null) : null;
    if (mine !== turn) return;
    if (of) {
      show(page, h("div", { class: "empty" }, h("p", {}, error.message + "; it may have been forgotten."), h("p", {}, h("a", { href: "#/" }, "Back to the overview"))));
      markNav(path);
      head(of);
      document.title = "Drover";
      failures = 0;
      say("on", "live");
    } else {
      failures++;
      say("off", "no answer from the driver");
    }
  }
  const wait = document.hidden ? 15000 : path === "/settings" ? 30000 : failures ? Math.min(10000, 1000 * 2 ** failures) : 1000;
  timer = setTimeout(look, wait);
}

addEventListener("hashchange", () => {
  scrollTo(0, 0);
  look();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
