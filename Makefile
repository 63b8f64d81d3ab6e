# Only what is longer than one command of the go tool.

.PHONY: torture torture-long

# All levels at their full counts, 15 minutes at most. SEED=N repeats a run.
torture:
	go run ./cmd/lightning-torture --time 15m --seed $(or $(SEED),0)

# Eight times as much, 90 minutes at most.
torture-long:
	go run ./cmd/lightning-torture --time 90m --times 8 --seed $(or $(SEED),0)
