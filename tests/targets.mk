# The targets that check, measure and show; included by the root Makefile.
# A suite is a target; those that `make check` runs are listed in CHECKS, the quick ones first.
PYTHON := build/venv/bin/python
CHECKS :=

.PHONY: setup
setup:
	$(Q)deploy/setup.sh
# What a suite needs beside the build, when it is called by itself on a fresh machine.
$(PYTHON):
	$(Q)deploy/setup.sh

# ---- demo: installs what building needs, builds, runs a cluster and a job here. STAY=1 leaves it up ----
.PHONY: demo
demo:
	$(Q)deploy/setup.sh build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)STAY="$(STAY)" deploy/demo.sh

# ---- lint: rules of the tree, headers that compile alone ----
CHECKS += lint
.PHONY: lint
lint: $(PROTO_C)
	$(Q)python3 tests/lint/lint.py && python3 tests/lint/lint.py headers "$(CC)"

# Lays out the lines that differ from the last commit; tables of rows are laid out by hand and stay.
.PHONY: format
format:
	$(Q)git clang-format --force HEAD -- $$(git diff --name-only HEAD -- '*.c' '*.h') || true

# ---- unit: one process a test file, each test forked by Check ----
CHECKS += unit
.PHONY: unit
unit: $(UNIT)
	$(Q)for t in $(UNIT); do echo "unit $${t##*/}"; $$t || exit 1; done

# ---- sim: the pure cores on virtual time; SEEDS=N FROM=K ----
CHECKS += sim
SIM := $(BUILD)/tests/sim/sim
SIM_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/sim/*.c))
$(SIM): $(SIM_OBJ) $(LIB)
	$(Q)$(CXX) $(CFLAGS:-std=gnu17=) -o $@ $(SIM_OBJ) $(LIB) $(LDLIBS)

.PHONY: sim
sim: $(SIM)
	$(Q)$(SIM) --seeds $(or $(SEEDS),2000) --from $(or $(FROM),1)

# Broken variants of the cores: each passes the unit tests and is found here. NAMES="part of a name"
.PHONY: mutants
mutants: $(SIM) $(filter %/test_sched %/test_sched_loss %/test_control,$(UNIT))
	$(Q)python3 tests/sim/mutants.py $(BUILD) "$(CC)" "$(CFLAGS)" "$(LDLIBS)" $(NAMES)

# ---- sql: statements with the answers of other engines, in every layout. FILES="tests/sql/join.test" ----
CHECKS += sql
.PHONY: sql
sql: $(PYTHON) all
	$(Q)python3 tests/sql/run.py $(FILES)
	$(Q)python3 tests/sql/mutations.py 2000 $(or $(SEED),1)
	$(Q)python3 tests/sql/memory.py
	$(Q)$(PYTHON) tests/sql/tpch_rows.py 0.1
	$(Q)$(PYTHON) tests/sql/random_queries.py $(or $(COUNT),400) $(or $(SEED),1)
	$(Q)$(PYTHON) tests/sql/random_subqueries.py $(or $(COUNT),400) $(or $(SEED),1)

# TPC-H at SF 1 on every layout, with DuckDB's rows.
.PHONY: tpch
tpch: $(PYTHON) all
	$(Q)$(PYTHON) tests/sql/tpch_rows.py 1

# ---- cluster: real daemons on loopback. TESTS="part of a name" ----
CHECKS += cluster
.PHONY: cluster kills
cluster: $(PYTHON) all
	$(Q)$(PYTHON) tests/cluster/run.py

# The sweep: every TPC-H query, a kill at every point and at seeded times, RUNS times. SEED=2 SCALE=0.1
kills: $(PYTHON) all
	$(Q)RUNS=$(or $(RUNS),20) SEED=$(or $(SEED),2) SCALE=$(or $(SCALE),0.1) $(PYTHON) tests/cluster/test_kill.py

# ---- formats: what is read and written, beside Spark, DuckDB and pyarrow ----
CHECKS += formats parquet
.PHONY: formats parquet
formats: $(PYTHON) all $(BUILD)/tests/unit/test_csv
	$(Q)$(PYTHON) tests/formats_check.py build/drover $(BUILD)/tests/unit/test_csv

parquet: $(PYTHON) $(BUILD)/tests/unit/test_parquet
	$(Q)$(PYTHON) tests/parquet_check.py $(BUILD)/tests/unit/test_parquet

# ---- write: files for other engines and from them, failures, kills in commits. TESTS="part of a name" ----
CHECKS += write
.PHONY: write
write: $(PYTHON) all
	$(Q)$(PYTHON) tests/write_check.py $(TESTS)

# ---- cli: formats, exit codes, streaming, signals, the shell in a pseudo-terminal. TESTS="part of a name" ----
CHECKS += cli
.PHONY: cli
cli: $(PYTHON) all
	$(Q)$(PYTHON) tests/cli/run.py

# ---- web: the status page in headless Chromium, the REST API. TESTS="part of a name" ----
CHECKS += web
.PHONY: web
web: $(PYTHON) all
	$(Q)$(PYTHON) tests/web/run.py

# ---- fault: every n-th reservation and call into the file system fails. STEP=1: all of them ----
CHECKS += fault
.PHONY: fault faults
$(BUILD)/tests/fault/shim.so: tests/fault/shim.c
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -O2 -g -D_GNU_SOURCE -Wall -Wextra -Werror -shared -fPIC -o $@ $< -ldl
fault: $(PYTHON) all $(BUILD)/tests/fault/shim.so
	$(Q)STEP=$(or $(STEP),5) $(PYTHON) tests/fault/run.py $(CURDIR)/$(BUILD)/tests/fault/shim.so
faults:
	$(Q)$(MAKE) --no-print-directory STEP=1 fault

# ---- fuzz: one target per decoder of foreign bytes. check replays the corpora; FUZZ=name SECONDS=60 ----
FUZZ_ALL := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY := $(FUZZ_ALL:%=$(BUILD)/tests/fuzz/replay_%)
CHECKS += replay
.PHONY: replay fuzz fuzzers
$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(LIB)
	$(Q)$(CXX) $(CFLAGS:-std=gnu17=) -o $@ $^ $(LDLIBS)

replay: $(REPLAY)
	$(Q)for f in $(FUZZ_ALL); do files=$$(ls tests/fuzz/corpus/$$f/* 2>/dev/null); \
	    [ "$$files" ] || { echo "fuzz $$f: no corpus"; exit 1; }; \
	    printf "fuzz %s: " $$f; $(BUILD)/tests/fuzz/replay_$$f $$files || exit 1; done

# Built whole by clang, in a folder of its own. What is found lands in build/fuzz.
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang CXX=clang++ SAN=fuzzer-no-link,address,undefined fuzzers
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB)
	$(Q)$(CXX) $(CFLAGS:-std=gnu17=) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

fuzzers: $(addprefix $(BUILD)/tests/fuzz/fuzz_,$(or $(FUZZ),$(FUZZ_ALL)))
	$(Q)for f in $(or $(FUZZ),$(FUZZ_ALL)); do mkdir -p build/fuzz/$$f && echo "fuzz $$f: $(or $(SECONDS),60) s" && \
	    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(BUILD)/tests/fuzz/fuzz_$$f -max_total_time=$(or $(SECONDS),60) -timeout=10 \
	    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=build/fuzz/$$f/found- build/fuzz/$$f tests/fuzz/corpus/$$f \
	    > build/fuzz/$$f.log 2>&1 || { tail -60 build/fuzz/$$f.log; exit 1; }; \
	    grep -E "number_of_executed_units|Done" build/fuzz/$$f.log; done

# ---- sanitize: a short pass under the sanitizers. Daemons that are killed leak by design: leaks are the unit tests' matter ----
.PHONY: sanitize sanitized sanitized-cluster sanitized-sql
SAN_CLUSTER := at_seeded_times only_lost garbage_at_every cancelled_at_any bytes_cross
sanitize:
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined sanitized
	$(Q)$(MAKE) --no-print-directory SAN=thread SEEDS=50 sim sanitized-sql sanitized-cluster
sanitized: unit replay sanitized-sql sanitized-cluster
	$(Q)$(MAKE) --no-print-directory SAN=$(SAN) SEEDS=100 sim
sanitized-sql: $(BUILD)/drover
	$(Q)ASAN_OPTIONS=detect_leaks=0 python3 tests/sql/run.py --quick --drover $(BUILD)/drover
	$(Q)ASAN_OPTIONS=detect_leaks=0 python3 tests/sql/extremes.py --drover $(BUILD)/drover 3
sanitized-cluster: $(PYTHON) $(BUILD)/drover $(BUILD)/drover-web.so
	$(Q)DROVER=$(CURDIR)/$(BUILD)/drover DROVER_SLOW=1 ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	    TSAN_OPTIONS=report_signal_unsafe=0 $(PYTHON) tests/cluster/run.py $(or $(TESTS),$(SAN_CLUSTER))

# ---- bench: beside DuckDB in one run; ratios. PARTS=tpch, memory, latency, tasks ----
.PHONY: bench
bench: $(PYTHON) all
	$(Q)$(PYTHON) tests/bench/bench.py $(PARTS)

# Installs what the machine lacks first: a fresh one needs no other command.
.PHONY: check checked
check: setup
	$(Q)$(MAKE) --no-print-directory checked
checked: all $(CHECKS)
	$(Q)echo "check: $(CHECKS): passed"

.PHONY: clean help
clean:
	rm -rf build

help:
	@echo "make           build everything into build/"
	@echo "make setup     install what the machine lacks"
	@echo "make demo      a driver, two executors and an ETL job on this machine (STAY=1: leave them up)"
	@echo "make check     all suites: $(CHECKS)"
	@echo "make bench | tpch | sim | mutants | fuzz | sanitize | lint | format | clean"
