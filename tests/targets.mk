# The targets that check, measure and show; included by the root Makefile.
# A suite is a target; those that `make check` runs are listed in CHECKS, the quick ones first.
PYTHON := build/venv/bin/python
CHECKS :=

.PHONY: setup
setup:
	$(Q)deploy/setup.sh

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

# ---- sql: statements with the answers of other engines, in every layout. FILES="tests/sql/join.test" ----
CHECKS += sql
.PHONY: sql
sql: all
	$(Q)python3 tests/sql/run.py $(FILES)
	$(Q)$(PYTHON) tests/sql/tpch_rows.py 0.1
	$(Q)$(PYTHON) tests/sql/random_queries.py $(or $(COUNT),400) $(or $(SEED),1)

# TPC-H at SF 1 on every layout, with DuckDB's rows.
.PHONY: tpch
tpch: all
	$(Q)$(PYTHON) tests/sql/tpch_rows.py 1

# ---- cluster: real daemons on loopback. TESTS="part of a name" ----
CHECKS += cluster
.PHONY: cluster kills
cluster: all
	$(Q)$(PYTHON) tests/cluster/run.py

# The sweep: every TPC-H query, a kill at every point and at seeded times, RUNS times. SEED=2 SCALE=0.1
kills: all
	$(Q)RUNS=$(or $(RUNS),20) SEED=$(or $(SEED),2) SCALE=$(or $(SCALE),0.1) $(PYTHON) tests/cluster/test_kill.py

# ---- write: files for other engines and from them, failures, kills in commits. TESTS="part of a name" ----
CHECKS += write
.PHONY: write
write: all
	$(Q)$(PYTHON) tests/write_check.py $(TESTS)

# ---- cli: formats, exit codes, streaming, signals, the shell in a pseudo-terminal. TESTS="part of a name" ----
CHECKS += cli
.PHONY: cli
cli: all
	$(Q)$(PYTHON) tests/cli/run.py

# ---- web: the status page in headless Chromium, the REST API. TESTS="part of a name" ----
CHECKS += web
.PHONY: web
web: all
	$(Q)$(PYTHON) tests/web/run.py

# ---- sanitize: a short pass under the sanitizers ----
.PHONY: sanitize
sanitize:
	$(Q)$(MAKE) --no-print-directory SAN=address,undefined unit

# ---- bench: beside DuckDB in one run; ratios. PARTS=tpch, memory, latency, tasks ----
.PHONY: bench
bench: all
	$(Q)$(PYTHON) tests/bench/bench.py $(PARTS)

.PHONY: check
check: all $(CHECKS)
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
