# Only what is longer than one command of the go tool.

.PHONY: torture torture-long resources operate fuzz models bench bench-quick bench-compare bench-libraries page browser

REVISION = $(shell git describe --always --abbrev=40 --exclude '*' --dirty=+ 2>/dev/null || echo unknown)
PROOF = go run -ldflags "-X lightningdb/cmd/internal/console.revision=$(REVISION)" ./cmd/lightning-proof
TORTURE = $(PROOF) torture --seed $(or $(SEED),0)

# All levels at their full counts: 15 to 20 minutes on two cores that do nothing else, 40 at most. SEED=N repeats a run.
torture:
	$(TORTURE) --time 40m

# Eight times as much, 90 minutes at most.
torture-long:
	$(TORTURE) --time 90m --times 8

# Every bound of memory, disk and time, with real processes: 40 minutes and 15 GB of disk at most. Wants a machine with
# nothing else to do. For less: ONLY=stalls,views SCALE=0.1; elsewhere: DIR=/data/new
resources:
	$(PROOF) resources $(if $(ONLY),--only $(ONLY)) $(if $(SCALE),--scale $(SCALE)) $(if $(DIR),--dir $(DIR))

# Every alert of ops/prometheus/rules.yml, seen to fire and clear by a real Prometheus and Alertmanager: ten minutes at
# most. For less: ONLY=killed,failed-sync
operate:
	scripts/operate $(if $(ONLY),--only $(ONLY))

# Ten minutes for each fuzz target, three hours in all; fails if one does nothing. For less:
# TIME=1m TARGETS='FuzzReplay wal'
fuzz:
	scripts/fuzz $(TARGETS)

# The protocols drawn in internal/proof/models, checked by spin (apt-get install spin): each must hold in every
# interleaving, each of their mutants must not.
models:
	scripts/models

# The page of package monitor in a headless Chromium. PICTURES=DIR keeps what it looked like.
page: browser
	go test -count=1 -v -run Browser ./monitor $(if $(PICTURES),-pictures $(abspath $(PICTURES)))

# Installs Chromium, where that is allowed; without it the tests of the page say that they do nothing.
browser:
	@command -v chromium >/dev/null || [ "$$(id -u)" -ne 0 ] || \
		{ apt-get update && apt-get install -y chromium; } >/dev/null 2>&1 || true
	@command -v chromium >/dev/null || echo "NOT TESTED: the page of package monitor, because there is no Chromium"

BENCH_LIBRARIES = liblmdb-dev librocksdb-dev

# Build tags of the benchmark for the libraries in C that are there.
BENCH_TAGS = $(shell for l in lmdb rocksdb; do dpkg -s lib$$l-dev >/dev/null 2>&1 && printf '%s,' $$l; done)

# All engines, an hour at most; writes docs/benchmarks.md. Wants a machine with nothing else to do.
bench: bench-libraries
	cd bench && go run -tags '$(BENCH_TAGS)' . -out ../docs/benchmarks.md $(BENCH)

# All engines that are there, under five minutes; prints the report.
bench-quick:
	cd bench && go run -tags '$(BENCH_TAGS)' . -quick $(BENCH)

# Installs the peers that are written in C, where that is allowed; without them their rows are left out.
bench-libraries:
	dpkg -s $(BENCH_LIBRARIES) >/dev/null 2>&1 || [ "$$(id -u)" -ne 0 ] || apt-get install -y $(BENCH_LIBRARIES) || true

# The micro-benchmarks of this tree beside those of another revision: make bench-compare BASE=main [PACKAGES=…]
bench-compare:
	scripts/bench-compare "$(BASE)" $(PACKAGES)
