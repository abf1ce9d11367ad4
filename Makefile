# Each target sets up .venv by itself, from hashed pins, and only when something changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
COMPILED := .venv/.compiled
PEERS := build/peers

.PHONY: demo test test-kafka lint bench study score lock lock-kafka clean

demo: $(COMPILED)
	$(BIN)/andon demo

test: $(COMPILED)
	$(BIN)/python -m pytest

# Whatever needs a broker, over Apache Kafka; needs Java 17, and Maven Central on the first call.
test-kafka: $(COMPILED)
	$(BIN)/python -m pytest -m broker --broker apache

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Writes build/bench.json and the README's tables; `.venv/bin/python -m bench NAME` measures one alone.
bench: $(COMPILED) $(PEERS)/.ready
	$(BIN)/python -m bench

# Writes docs/evidence.json, its picture and its tables anew.
study: $(READY)
	$(BIN)/python -m backtest.study

# The presets over all scenarios: the tables of docs/presets.md, in some minutes.
score: $(COMPILED)
	$(BIN)/andon score --seeds 5

# Writes the pins anew after a change of pyproject.toml; `make lock UPGRADE=--upgrade` takes newer ones.
lock: COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	--no-emit-index-url --no-emit-find-links --annotation-style line --custom-compile-command "make lock"
lock: $(BIN)/uv
	$(COMPILE) --group pyproject.toml:setup -o requirements/setup.lock
	$(COMPILE) --group pyproject.toml:peers -o requirements/peers.lock
	$(COMPILE) pyproject.toml --extra server --group build -o requirements/server.lock
	$(COMPILE) pyproject.toml --all-extras --group dev -c requirements/server.lock -o requirements/dev.lock

# Writes the pins of Apache Kafka's jars anew after a change of tests/apache_kafka/pom.xml; needs Maven.
lock-kafka: KAFKA_JARS = build/maven
lock-kafka:
	rm -rf $(KAFKA_JARS)
	mvn -q -B -f tests/apache_kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -Dmdep.useRepositoryLayout=true -DoutputDirectory=$(CURDIR)/$(KAFKA_JARS)
	cd $(KAFKA_JARS) && find * -name '*.jar' | LC_ALL=C sort | xargs sha256sum \
	  > $(CURDIR)/tests/apache_kafka/jars.sha256

# The detectors' inner loop, compiled ahead of everything that would otherwise wait for it.
$(COMPILED): $(READY) $(wildcard detectors/*.py detectors/*/*.py)
	@echo "Compiling the detectors' inner loop, once."
	@$(BIN)/python -m detectors
	@touch $@

# What the bench sets Andon beside, apart from it: neither's pins bend for the other's.
$(PEERS)/.ready: requirements/peers.lock | $(READY)
	$(BIN)/python -m venv --clear $(PEERS)
	$(BIN)/uv pip install -q --python $(PEERS)/bin/python --require-hashes -r requirements/peers.lock \
	  || $(PEERS)/bin/python -m pip install -q --require-hashes -r requirements/peers.lock
	@touch $@

clean:
	rm -rf .venv .andon build dist .*_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# uv installs in seconds what takes pip half a minute; pip is there for machines whose package
# index is known to pip alone.
$(READY): pyproject.toml requirements/dev.lock | $(BIN)/uv
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.lock \
	  || $(BIN)/python -m pip install -q --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/uv:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 none; do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
	  echo "Andon needs Python 3.11, 3.12 or 3.13. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	echo "Setting up .venv with $$("$$python" --version), once."; \
	"$$python" -m venv --clear .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/setup.lock
