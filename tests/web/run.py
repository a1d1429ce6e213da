"""The status page and the REST API of a live driver: functions called test_* below, one cluster for all of them.
run.py [PART OF A NAME...]; TESTS=... does the same."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "cluster"), os.path.dirname(HERE)]
from harness import DROVER, Cluster, check, wait_until  # noqa: E402
import runner  # noqa: E402

MAPS = {"tasks", "executorSummary", "killedTasksSummary", "executorLogs", "attributes", "resources", "modifiedConfigs"}


def http(c, path, method="GET", headers=None):
    """(status, headers, body) of a request to the page's address."""
    request = urllib.request.Request(f"http://{c.web}{path}", method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def get(c, path, want=200):
    status, headers, body = http(c, "/api/v1/" + path)
    check(status == want, path, "answers", status, body[:200])
    check(headers["Content-Type"] == "application/json", path, headers["Content-Type"])
    return json.loads(body)


def keys(value, prefix="", out=None):
    """Paths of all keys: a.b, [] for elements of lists, {} for values of maps."""
    out = set() if out is None else out
    if isinstance(value, list):
        for x in value:
            keys(x, prefix + "[]", out)
    elif isinstance(value, dict):
        for k, x in value.items():
            path = f"{prefix}.{k}" if prefix else k
            out.add(path)
            if k in MAPS:
                for y in x.values():
                    keys(y, path + "{}", out)
            else:
                keys(x, path, out)
    return out


def dom(c, fragment="", size="1360,1200"):
    """The document that the page made of itself, after its first looks at the driver."""
    with tempfile.TemporaryDirectory(prefix="drover-web-") as profile:
        p = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
                            f"--window-size={size}", "--virtual-time-budget=5000", "--dump-dom", f"http://{c.web}/{fragment}"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
    check("<html" in p.stdout, "chromium says", p.stderr[-2000:])
    return p.stdout


class Changed:
    """An address where the page and its data are the cluster's, with one answer changed: by change() of the object at path."""

    def __init__(self, c, path, change):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, body = http(c, self.path)
                if self.path == path:
                    o = json.loads(body)
                    change(o)
                    body = json.dumps(o).encode()
                self.send_response(status)
                self.send_header("Content-Type", headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.web = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def cell(row, label):
    """The text of a cell of a table's row."""
    m = re.search(f'<td[^>]*data-label="{label}"[^>]*>(.*?)</td>', row, re.S)
    return m and re.sub("<[^>]*>", "", m[1])


def rows_of(text, table):
    m = re.search(f'<table class="{table}">(.*?)</table>', text, re.S)
    return re.findall("<tr.*?</tr>", m[1].split("<tbody>")[1], re.S) if m else []


def app(c):
    return get(c, "applications")[-1]["id"]


# ---- REST ----

SOFT = {  # what only some rows have, or what needs another kind of object than this engine has
    "environment": {"[][]", "resourceProfiles[]"},
    "sql": {"[].nodes[].metrics[]", "[].nodes[].wholeStageCodegenId"},
}


def test_keys_of_spark(c):
    """Every key that Spark gives is given here, at the same place."""
    a = app(c)
    stage = get(c, f"applications/{a}/stages")[-1]["stageId"]
    paths = {"version": "version", "applications": "applications", "jobs": f"applications/{a}/jobs", "stages": f"applications/{a}/stages",
             "stages_details": f"applications/{a}/stages?details=true&withSummaries=true&quantiles=0.0,0.5,1.0",
             "stage": f"applications/{a}/stages/{stage}", "stage_attempt": f"applications/{a}/stages/{stage}/0",
             "taskSummary": f"applications/{a}/stages/{stage}/0/taskSummary", "taskList": f"applications/{a}/stages/{stage}/0/taskList",
             "executors": f"applications/{a}/executors", "allexecutors": f"applications/{a}/allexecutors",
             "environment": f"applications/{a}/environment", "sql": f"applications/{a}/sql?length=1000"}
    want, seen = {}, 0
    with open(os.path.join(HERE, "spark_keys.tsv")) as f:
        for line in f:
            if not line.startswith("#"):
                name, key = line.rstrip("\n").split("\t")
                want.setdefault(name, set()).add(key)
    check(set(want) == set(paths), set(want) ^ set(paths))
    for name, path in paths.items():
        missing = {k for k in want[name] - keys(get(c, path)) if not any(k.startswith(s) for s in SOFT.get(name, ()))}
        check(not missing, name, "lacks", sorted(missing))
        seen += len(want[name])
    return f"{seen} keys at {len(paths)} paths"


def test_what_ran(c):
    a = app(c)
    jobs = get(c, f"applications/{a}/jobs")
    check({j["status"] for j in jobs} == {"SUCCEEDED", "FAILED"}, jobs)
    check([j["jobId"] for j in jobs] == sorted((j["jobId"] for j in jobs), reverse=True), "newest first")
    failed = get(c, f"applications/{a}/jobs?status=failed")
    check(len(failed) == 1 and "DIVIDE_BY_ZERO" in failed[0]["error"], failed)
    check(get(c, f"applications/{a}/jobs/{failed[0]['jobId']}") == failed[0], "one job as in the list")
    good = next(j for j in jobs if "group by" in j["name"])
    check(good["numTasks"] == good["numCompletedTasks"] > 1 and good["numFailedStages"] == 0, good)
    stages = {s["stageId"]: s for s in get(c, f"applications/{a}/stages")}
    of_job = [stages[i] for i in good["stageIds"]]
    check(sum(s["numTasks"] for s in of_job) == good["numTasks"], of_job)
    check(sum(s["inputRecords"] for s in of_job) == 100000, "rows of range() read", [s["inputRecords"] for s in of_job])
    check(of_job[0]["shuffleWriteBytes"] > 0 and of_job[-1]["shuffleReadBytes"] > 0, "bytes cross the exchange", of_job)
    check(of_job[1]["parents"] == [{"stageId": of_job[0]["stageId"], "exchange": "hash"}], of_job[1]["parents"])
    broken = [s for s in stages.values() if s["status"] == "FAILED"]
    check(len(broken) == 1 and "DIVIDE_BY_ZERO" in broken[0]["failureReason"], broken)
    statements = get(c, f"applications/{a}/sql?length=1000")
    check(any(s["status"] == "FAILED" and "TABLE_OR_VIEW_NOT_FOUND" in s["errorMessage"] and s["failedJobIds"] == [] for s in statements),
          "a statement that never became a job is told, too", statements)


def test_attempts(c):
    a = app(c)
    many = next(s for s in get(c, f"applications/{a}/stages") if s["numTasks"] == 5000)
    base = f"applications/{a}/stages/{many['stageId']}/0"
    first = get(c, f"{base}/taskList")
    check(len(first) == 20, "Spark's length of a page", len(first))
    seen = set()
    for offset in range(0, 5000, 1000):
        page = get(c, f"{base}/taskList?offset={offset}&length=1000")
        check(all(t["status"] == "SUCCESS" for t in page), "all succeeded")
        seen |= {t["taskId"] for t in page}
    check(len(seen) == 5000, "each attempt has its id", len(seen))
    slow = [t["duration"] for t in get(c, f"{base}/taskList?sortBy=-runtime&length=50")]
    check(slow == sorted(slow, reverse=True), slow)
    check(len(get(c, f"{base}/taskList?length=999999")) == 1000, "a bounded answer")
    check(get(c, f"{base}/taskList?status=failed") == [], "none failed")
    summary = get(c, f"{base}/taskSummary?quantiles=0,0.5,1")
    check(summary["quantiles"] == [0, 0.5, 1] and len(summary["duration"]) == 3, summary["quantiles"])
    check(summary["duration"] == sorted(summary["duration"]), summary["duration"])
    check(summary["inputMetrics"]["recordsRead"] == [20, 20, 20], summary["inputMetrics"])
    details = get(c, f"applications/{a}/stages/{many['stageId']}")[0]
    check(sum(e["succeededTasks"] for e in details["executorSummary"].values()) == 5000, details["executorSummary"])
    check(0 < len(details["tasks"]) <= 200, len(details["tasks"]))


def test_executors(c):
    a = app(c)
    live, all_ = get(c, f"applications/{a}/executors"), get(c, f"applications/{a}/allexecutors")
    check(len(live) == 1 and len(all_) == 2, len(live), len(all_))
    gone = next(x for x in all_ if not x["isActive"])
    check("the connection ended" in gone["removeReason"] and gone["removeTime"], gone)
    check(live[0]["totalCores"] == 2 and live[0]["maxMemory"] == 512 << 20 and live[0]["residentBytes"] > 0, live[0])


def test_wrong_requests(c):
    a = app(c)
    for path, want in [("nothing", 404), ("applications/nope/jobs", 404), (f"applications/{a}/jobs/999999", 404), (f"applications/{a}/jobs/x", 404),
                       (f"applications/{a}/stages/999999", 404), (f"applications/{a}/stages/0/7", 404), (f"applications/{a}/nothing", 404),
                       (f"applications/{a}/jobs?status=bad", 400), (f"applications/{a}/stages?status=bad", 400), ("applications?limit=x", 400),
                       ("applications?minDate=yesterday", 400), (f"applications/{a}/stages/0/0/taskList?offset=-1", 400),
                       (f"applications/{a}/stages/0/0/taskSummary?quantiles=2", 400)]:
        body = get(c, path, want)
        check(body["status"] == want and body["error"], path, body)
    check(get(c, "applications?limit=0") == [] and get(c, "applications?maxDate=2001-01-01") == [], "limits of applications")
    check(http(c, "/api/v1/applications/")[0] == 200, "a slash at the end")


def test_only_reads(c):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = http(c, "/api/v1/applications", method)
        check(status == 405 and headers["Allow"] == "GET, HEAD", method, status)
    status, headers, body = http(c, "/", "HEAD")
    check(status == 200 and body == b"" and int(headers["Content-Length"]) > 500, "HEAD", status)
    check(http(c, "/../../etc/passwd")[0] == 404 and http(c, "/nothing.js")[0] == 404, "other files")
    check(http(c, "/" + "x" * 3000)[0] in (404, 414), "a long address")


def test_strangers(c):
    """Names that other sites may have made resolve to this machine get nothing; tunnels do."""
    for host, want in [("evil.example", 421), ("drover.evil.example:4040", 421), ("127.0.0.1.evil.example", 421), ("localhost:9", 200),
                       ("127.0.0.1", 200), ("[::1]:80", 200), ("10.0.0.1", 421)]:
        check(http(c, "/api/v1/version", headers={"Host": host})[0] == want, host)
    headers = http(c, "/")[1]
    policy = headers["Content-Security-Policy"]
    check("default-src 'none'" in policy and "'unsafe" not in policy and "http" not in policy, policy)
    check(headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY", headers)
    check(headers["Access-Control-Allow-Origin"] is None, "no other site may read")
    etag = headers["ETag"]
    check(http(c, "/", headers={"If-None-Match": etag})[0] == 304, "an unchanged page is not sent again")


def test_half_open(c):
    """Clients that never finish their request: the page comes back by itself, the driver works on meanwhile."""
    host, port = c.web.split(":")
    held = []
    for _ in range(300):
        s = socket.create_connection((host, int(port)), timeout=10)
        s.sendall(b"GET / HTTP/1.1\r\nHost: 127")
        held.append(s)
    rows, error, err = c.sql("select 1")
    check(rows == [["1"]] and not error, rows, error, err)

    def answers():
        try:
            return http(c, "/api/v1/version")[0] == 200
        except OSError:
            return False
    wait_until(answers, 60, "the page to come back")
    for s in held:
        s.close()


# ---- the page ----

def test_page(c):
    text = dom(c)
    for want in ["Slots busy", "Executor 2", "lost", "the connection ended", "sum(id)", "DIVIDE_BY_ZERO", "live"]:
        check(want in text, "the overview lacks", want, text[-3000:])
    check("http://" not in text.replace(f"http://{c.web}", "").replace("http://www.w3.org/", ""), "something comes from elsewhere")


def test_page_escapes(c):
    rows, error, err = c.sql("""select '<img src=x onerror="document.title=1">' as `<b>x</b>` -- <script>document.body.remove()</script>""")
    check(not error, error, err)
    text = dom(c, "#/jobs")
    check("&lt;img src=x" in text and "<img src=x" not in text and "<script>document" not in text, "text became markup")


def test_page_of_a_job(c):
    a = app(c)
    job = next(j for j in get(c, f"applications/{a}/jobs") if "group by" in j["name"])
    text = dom(c, f"#/jobs/{job['jobId']}", "420,900")
    for want in [f"Job {job['jobId']}", "Attempts over time", "hash", "Physical plan", *(f"Stage {i}" for i in range(len(job["stageIds"])))]:
        check(want in text, "the page of a job lacks", want, text[-3000:])
    text = dom(c, f"#/stages/{job['stageIds'][0]}")
    check("How even the tasks are" in text and "Attempt" in text, text[-3000:])
    check("Back to the overview" in dom(c, "#/jobs/987654321"), "a job that is not there")


def test_page_numbers(c):
    """Numbers that JavaScript's own cannot hold are shown as they are."""
    job = next(j for j in get(c, f"applications/{app(c)}/jobs") if "group by" in j["name"])
    stage = job["stageIds"][0]
    tasks = get(c, f"applications/{app(c)}/stages/{stage}/0/taskList")
    check(any(int(float(t["taskId"])) != t["taskId"] for t in tasks), "none is large enough to be rounded", tasks)
    check([t["taskIdText"] for t in tasks] == [str(t["taskId"]) for t in tasks], tasks)
    shown = [cell(r, "Attempt") for r in rows_of(dom(c, f"#/stages/{stage}"), "attempts")]
    check(sorted(shown) == sorted(str(t["taskId"]) for t in tasks), shown)


def test_page_head(c):
    """Every page says which driver it is of, for how long that is up, and where one is."""
    stage = get(c, "stages")[0]["stageId"]
    for fragment, here in [("#/", "Overview"), ("#/jobs", "Jobs"), ("#/stages", "Stages"), (f"#/stages/{stage}", "Stages"), ("#/settings", "Settings"),
                           ("#/jobs/987654321", "Jobs"), ("#/stages/987654321", "Stages")]:
        text = dom(c, fragment)
        head = text[text.index("<header"):text.index("</header>")]
        check(c.address in head and re.search("> up [0-9]+ (s|min)<", head), fragment, head)
        check(re.findall('aria-current="page">([^<]*)<', head) == [here], fragment, head)


def test_page_of_stages(c):
    stages = get(c, "stages?limit=100")
    shown = [(cell(r, "Stage"), cell(r, "Job")) for r in rows_of(dom(c, "#/stages"), "stages")]
    check(shown == [(str(s["stageOfJob"]), str(s["jobId"])) for s in stages], shown)


def test_page_words(c):
    """Every column of numbers has its meaning where the pointer rests."""
    job = next(j for j in get(c, f"applications/{app(c)}/jobs") if "group by" in j["name"])
    for fragment, table, own in [("#/", "jobs", {"Job", "State", "Statement"}), (f"#/jobs/{job['jobId']}", "stages", {"Stage", "State", "What it does"}),
                                 (f"#/stages/{job['stageIds'][0]}", "attempts", {"State", "Executor"})]:
        text = dom(c, fragment)
        head = re.search(f'<table class="{table}"><thead>(.*?)</thead>', text, re.S)[1]
        check("Duration" in head and set(re.findall("<th(?![^>]*title=)[^>]*>([^<]*)<", head)) == own, fragment, head)
    check(re.search('<section class="tile" title="[^"]*counted as tasks end[^"]*"><h3>Rows read<', dom(c)), "the tile says when rows are counted")


def test_page_counts(c):
    """What is counted above the list of jobs."""
    o, text = get(c, "overview?limit=25"), dom(c)
    said = re.search(r">(\d+) shown of (\d+) statements", text)
    check(said and [int(n) for n in said.groups()] == [len(o["jobs"]), o["statements"]], said, o["statements"])
    check(len(rows_of(text, "jobs")) == len(o["jobs"]) < o["statements"], len(o["jobs"]))


def test_page_axis(c):
    """The labels of the time axis differ, however short the job was."""
    job = next(j for j in get(c, f"applications/{app(c)}/jobs") if "group by" in j["name"])["jobId"]
    for end in (1.3, 2.2, 9, 11):
        def shorter(o):
            last = max(a[5] for a in o["attempts"])
            for a in o["attempts"]:
                a[4:6] = [x * end / last for x in a[4:6]]
        with Changed(c, f"/api/v1/overview/{job}", shorter) as p:
            axis = re.search('<div class="axis[^>]*>(.*?)</div>', dom(p, f"#/jobs/{job}"))[1]
        labels = re.findall("<span>([^<]*)</span>", axis)
        check(len(set(labels)) == len(labels) > 2, end, labels)


def test_page_cancelled(c):
    """What somebody wished to end has not failed here; Spark's own words stay."""
    mark = "select sum(id % 10) from range(0, 1000000000000000, 1, 4) where id % 3 >= 0"
    p = c.client(mark)
    job = wait_until(lambda: next((j for j in get(c, "jobs?status=running") if j["name"] == mark and j["numActiveTasks"]), None), 30, "the job")["jobId"]
    subprocess.run([DROVER, "kill", str(job), "--driver", c.address], check=True, capture_output=True)
    p.communicate(timeout=60)
    before = get(c, "overview?limit=25")
    told = next(j for j in before["jobs"] if j["jobId"] == job)
    check(told["status"] == "FAILED" and told["cancelled"] and "OPERATION_CANCELED" in told["error"], told)
    check(before["failed"] == len([j for j in before["jobs"] if j["status"] == "FAILED" and not j["cancelled"]]), before["failed"])
    text = dom(c)
    row = next(r for r in rows_of(text, "jobs") if cell(r, "Job") == str(job))
    check(cell(row, "State") == "cancelled" and "reason calm" in row and "chip failed" not in row, row)
    check(re.search(r"statements \([^)]*cancelled\)", text), "the count of the cancelled")
    failed = [cell(r, "State") for r in rows_of(dom(c, "#/jobs?FAILED"), "jobs")]
    check(set(failed) == {"failed"}, failed)
    text = dom(c, f"#/jobs/{job}")
    check("error-box calm" in text and "node failed" not in text and "chip failed" not in text, text[-3000:])


def test_page_stopped(c):
    """An executor that was told to stop is not lost, and says why it went."""
    e = c.start_executor()
    own = c.row(e)["id"]
    check(not c.row(e)["stopped"], "it is there")
    e.stop()
    wait_until(lambda: not c.row(e)["isActive"], 20, "its end")
    check(c.row(e)["stopped"] and "told to stop" in c.row(e)["removeReason"], c.row(e))
    card = re.search(f'<article class="([^"]*)" data-key="x{own}">(.*?)</article>', dom(c), re.S)
    check("lost" not in card[1] and ">stopped<" in card[2] and "told to stop by signal 15" in card[2] and ">lost<" not in card[2], card[0])


def main():
    with Cluster(executors=2, slots=2, memory="512m") as c:
        script = ["create temporary view numbers as select * from range(0, 100000, 1, 4)",
                  "select id % 10 k, sum(id) from numbers group by 1 order by 1", "select 1 / (id - 5) from numbers", "select * from nowhere",
                  "select count(*), sum(id) from range(0, 100000, 1, 5000)"]
        p = c.client("; ".join(script), ["--keep-going", "--conf", "drover.plan.single=false"])
        p.communicate(timeout=300)
        first = next(e for e in c.executors if c.row(e)["id"] == "2")
        first.kill()
        wait_until(lambda: len(c.live()) == 1, 20, "the loss")
        return runner.run("web", [(k[5:], lambda f=f: f(c)) for k, f in list(globals().items()) if k.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
