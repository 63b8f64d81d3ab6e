# Only what is longer than one command of the go tool.

.PHONY: torture torture-long

REVISION = $(shell git describe --always --abbrev=40 --exclude '*' --dirty=+ 2>/dev/null || echo unknown)
TORTURE = go run -ldflags "-X main.revision=$(REVISION)" ./cmd/lightning-torture --seed $(or $(SEED),0)

# All levels at their full counts, 15 minutes at most. SEED=N repeats a run.
torture:
	$(TORTURE) --time 15m

# Eight times as much, 90 minutes at most.
torture-long:
	$(TORTURE) --time 90m --times 8
