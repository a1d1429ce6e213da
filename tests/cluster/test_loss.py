"""Losing executors, and what the user is told: only lost work is done again, jobs wait for executors and go on or fail
with the cause, standing still is not dying, zombies are not listened to."""
import os
import re
import signal
import subprocess
import time

from harness import DROVER, RIDING, SLOW, SPREAD, Cluster, check, finish, tpch_of, wait_until

# 30 map tasks, 4 reducers; the sum is known without running it.
MAPS = 30
SHUFFLE = f"SELECT k, count(*), sum(id) FROM (SELECT id, id % 7 AS k FROM range(0, 3000000, 1, {MAPS})) GROUP BY k ORDER BY k"


def shuffle_rows():
    out = []
    for k in range(7):
        n = (3000000 - k + 6) // 7
        out.append([str(k), str(n), str(n * k + 7 * n * (n - 1) // 2)])
    return out


# Long enough to do something meanwhile, and checkable: range sums.
SLOW_ROWS = 90_000_000
SLOW_QUERY = f"SELECT count(*), sum(id % 10) FROM range(0, {SLOW_ROWS}, 1, 60) WHERE id % 3 >= 0"
SLOW_ANSWER = [[str(SLOW_ROWS), str(SLOW_ROWS // 10 * 45)]]


def running(c):
    return wait_until(lambda: any(e["activeTasks"] for e in c.live()), what="attempts to run")


def test_only_lost_outputs_run_again():
    with Cluster(3, points=["after-map"]) as c:
        c.put_token("after-map")
        rows, error, _ = c.sql(SHUFFLE)
        check(error is None and rows == shuffle_rows(), error, rows)
        check(c.take_token("after-map"), "no kill")
        dead = next(e for e in c.status("executors") if not e["isActive"])
        stage = min(c.stages(c.last_job()["jobId"]), key=lambda s: s["stageId"])
        again = stage["numAttempts"] - stage["numTasks"]
        check(stage["numTasks"] == MAPS and 0 < again < MAPS, stage)
        # A peer may miss an output before the driver knows of the loss: the repeat goes to the dead one, and is lost with it.
        lost = dead["completedTasks"] + stage["numFailedTasks"]
        check(again == lost, again, "attempts ran again, lost were", lost)
        return f"({again} of {MAPS} map outputs were lost and made again)"


def test_outputs_that_rode_are_not_lost():
    with Cluster(3, points=["after-map"]) as c:
        c.put_token("after-map")
        rows, error, _ = c.sql(SHUFFLE, RIDING)
        check(error is None and rows == shuffle_rows(), error, rows)
        check(c.take_token("after-map"), "no kill")
        dead = next(e for e in c.status("executors") if not e["isActive"])
        stage = min(c.stages(c.last_job()["jobId"]), key=lambda s: s["stageId"])
        check(dead["completedTasks"] > 0 and stage["numAttempts"] == stage["numTasks"] == MAPS, dead, stage)
        check(sum(e["peerBytesIn"] for e in c.live()) == 0, "something was fetched")
        return f"({dead['completedTasks']} outputs of the dead executor were read)"


def test_last_executor_gone_fails_with_the_cause():
    with Cluster(1, driver_args=["--conf", "drover.executors.wait=1s"], points=["mid-map"]) as c:
        c.put_token("mid-map")
        rows, error, _ = c.sql(SHUFFLE)
        check(error and error["errorClass"] == "DROVER_NO_EXECUTORS", error)
        first = error["message"].splitlines()[0]
        for word in ("executor 1 on", "the connection ended", "last heartbeat", "resident", "it ran job", "drover executor --driver " + c.address):
            check(word in first, word, "is not in the first line:", first)
        check(len(c.lost_lines()) == 1 and "pid %d" % c.executors[0].pid in c.lost_lines()[0], c.lost_lines())
        seen = subprocess.run([DROVER, "executors", "--driver", c.address], capture_output=True, text=True).stdout
        check("the connection ended" in seen, seen)
        c.start_executor()
        rows, error, _ = c.sql(SHUFFLE)
        check(rows == shuffle_rows(), "the next query:", error, rows)


def test_executor_back_in_time():
    with Cluster(1, points=["mid-map"]) as c:
        c.put_token("mid-map")
        p = c.client(SHUFFLE, SPREAD)
        wait_until(lambda: c.executors[0].proc.poll() is not None, what="the kill")
        wait_until(lambda: not c.live(), what="the loss to be known")
        time.sleep(0.5)
        check(c.last_job()["status"] == "RUNNING" and p.poll() is None, "the job did not wait")
        c.start_executor()
        rows, error, _ = finish(p)
        check(error is None and rows == shuffle_rows(), error, rows)


def test_standing_still_is_not_dying():
    with Cluster(2) as c:
        p = c.client(SLOW_QUERY, SPREAD)
        running(c)
        for d in (c.executors[0], c.driver, c.executors[1]):
            d.signal(signal.SIGSTOP)
            time.sleep(2)
            d.signal(signal.SIGCONT)
        rows, error, _ = finish(p)
        check(error is None and rows == SLOW_ANSWER, error, rows)
        check(len(c.live()) == 2 and not c.lost_lines(), c.lost_lines())


def zombie(point, still):
    """An executor stands still in its work for longer than the driver waits, then goes on with it."""
    with Cluster(1, driver_args=["--conf", "drover.executors.timeout=1500ms"]) as c:
        env = {"DROVER_TEST_POINT": f"{point}:1:stop"}
        z = c.start_executor(env=env)
        rows, error, _ = c.sql(SHUFFLE)
        check(error is None and rows == shuffle_rows(), error, rows)
        check(z.fired(), f"{point} was not passed")
        row = c.row(z)
        check(not row["isActive"] and "nothing was heard from it for 1.5 s" in row["removeReason"], row)
        job = c.last_job()
        before = c.stages(job["jobId"])
        time.sleep(still)
        z.signal(signal.SIGCONT)
        z.wait_ready(2)  # it is another incarnation now, with another id
        check(z.ready["executor"] != row["id"], z.ready, row)
        after = c.stages(job["jobId"])
        keys = ("numAttempts", "numCompleteTasks", "shuffleWriteRecords", "outputRecords")
        check([[s[k] for k in keys] for s in before] == [[s[k] for k in keys] for s in after], "what the zombie sent was counted")
        rows, error, _ = c.sql(SHUFFLE)
        check(error is None and rows == shuffle_rows(), error, rows)
        check(c.row(z)["completedTasks"] > 0, "the zombie got no work after it came back")


def test_zombie_in_a_map():
    zombie("mid-map", 1)


def test_zombie_with_a_finished_map():
    zombie("end-map", 3)


def test_executor_joins_a_running_job():
    with Cluster(1) as c:
        p = c.client(SLOW_QUERY, SPREAD)
        running(c)
        new = c.start_executor()
        wait_until(lambda: c.row(new)["completedTasks"] > 0, what="the new executor to be used")
        check(p.poll() is None, "the query was too short for this test")
        rows, error, _ = finish(p)
        check(error is None and rows == SLOW_ANSWER, error, rows)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def test_embedded_executor_killed():
    """It is started again, the statement finishes, and one line tells the signal."""
    p = subprocess.Popen([DROVER, "sql", "--format", "jsonl", "--slots", "1", "-e", SLOW_QUERY, "-e", SHUFFLE], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        kids = wait_until(lambda: (k := children(p.pid)) and len(k) == 2 and k, what="driver and executor")
        executor = kids[1]  # the driver is forked first
        wait_until(lambda: sum(map(int, open(f"/proc/{executor}/stat").read().rsplit(")", 1)[1].split()[11:13])) > 5, what="the executor to work")
        os.kill(executor, signal.SIGKILL)
        out, err = p.communicate(timeout=120 * SLOW)
    finally:
        p.kill()
    lines = [l for l in err.splitlines() if l]
    check(len(lines) == 1 and f"pid {executor}" in lines[0] and "killed by signal 9" in lines[0] and "starting it again" in lines[0], err)
    import json
    docs = [json.loads(l) for l in out.splitlines()]
    check(docs[0].get("rows") == SLOW_ANSWER and docs[1].get("rows") == shuffle_rows(), docs)
    check(not [k for k in kids if os.path.exists(f"/proc/{k}")], "processes were left behind")


def test_task_over_its_grant():
    with Cluster(1, memory="48m") as c:
        pid = c.executors[0].pid
        rows, error, _ = c.sql("SELECT max(n) FROM (SELECT id, count(*) AS n FROM range(0, 4000000, 1, 2) GROUP BY id)")
        check(error and error["errorClass"] == "UNABLE_TO_ACQUIRE_MEMORY", error)
        text = error["message"]
        check("HashAggregate" in text and re.search(r"[\d.]+ MiB \(peak [\d.]+ MiB\)", text), "no table of operators:", text)
        check("executor 1" in text, "which attempt on which executor is not said:", text)
        check([e["pid"] for e in c.live()] == [pid], "the executor did not live")
        rows, error, _ = c.sql(SHUFFLE)
        check(error is None and rows == shuffle_rows(), error, rows)
        wait_until(lambda: c.row(c.executors[0])["memoryUsed"] == 0, what="the memory of the failed job to be given back")


def test_all_executors_at_once():
    t = tpch_of()
    with Cluster(3) as c:
        p = c.client(t.views + t.queries[9] + SLOW_QUERY, SPREAD)
        running(c)
        for e in list(c.executors):
            e.kill()
        wait_until(lambda: not c.live(), what="the losses to be known")
        for _ in range(2):
            c.start_executor()
        rows, error, _ = finish(p)
        check(error is None and rows == SLOW_ANSWER, error, rows)
