package torture

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"

	"lightningdb/internal/codec"
	"lightningdb/internal/vfs/memfs"
)

// operationsInUnit is how long one run of the differential level is.
const operationsInUnit = 10_000

// runDifferential runs every mix in turn.
func runDifferential(r *run) Outcome {
	mixes := Mixes()
	total := gather(r, func(t Tally) int { return t.Operations }, func(n int) Tally {
		m, seed := mixes[n%len(mixes)], r.Seed+uint64(n)
		tally, err := m.Run(seed, operationsInUnit, r.stop)
		if err != nil {
			r.fail(fmt.Sprintf("mix %s, seed %d, %d operations", m.Name, seed, operationsInUnit), err)
		}
		return tally
	})
	return Outcome{Counts: total.Counts, Injected: int64(total.Killed + total.PowerCuts), Figures: []Figure{
		{"ops", int64(total.Operations)}, {"option_sets", int64(len(mixes))}, {"commits", int64(total.Commits)},
		{"comparisons", int64(total.Comparisons)}, {"kills", int64(total.Killed)}, {"power_cuts", int64(total.PowerCuts)},
		{"divergences", total.WrongData}}}
}

// rounds of the crash level look at another third of the images each, and at other seeds.
const crashShare = 3

// runCrash cuts every workload at every change, round after round, with another choice of images in each.
func runCrash(r *run) Outcome {
	workloads := CrashWorkloads()
	total := gather(r, func(s Stats) int { return s.Images }, func(n int) Stats {
		w, round := vary(workloads[n%len(workloads)], n/len(workloads)/crashShare), n/len(workloads)
		x := &Explorer{
			Cuts: func(depth, point, unsynced, sectors int) []Cut {
				limit, seeded, share := 2, 2, crashShare
				if depth > 0 {
					limit, share = 1, 5
				}
				cuts := AllCuts(unsynced, sectors, limit, seeded)
				for i := range cuts {
					if cuts[i].Policy == memfs.Random {
						cuts[i].Seed += r.Seed%1_000_000 + uint64(round*seeded)
					}
				}
				return oneIn(share, point+round, cuts)
			},
			Nested: func(depth, image int) bool {
				return depth == 1 && image%331 == 165 || depth > 1 && depth <= 3 && image%151 == 0
			},
			After: func(image int) bool { return image%5 == 0 },
			Stop:  r.stop,
			Fail:  func(where string, err error) { r.fail(fmt.Sprintf("round %d, %s", round, where), err) },
		}
		if err := x.Run(w); err != nil {
			r.fail(fmt.Sprintf("round %d", round), err)
		}
		return x.Stats
	})
	return Outcome{Counts: total.Counts, Injected: int64(total.Images), Figures: []Figure{
		{"workloads", int64(len(workloads))}, {"io_points", int64(total.Points)}, {"images", int64(total.Images)},
		{"kills", int64(total.Kills)}, {"nested", int64(total.Nested)}, {"nested_max", int64(total.Deepest)},
		{"acked_txns", int64(total.Acked)}, {"open_failed", int64(total.Failed)}}}
}

// vary gives w the options of a variant; variant 0 is w as it is.
func vary(w Workload, variant int) Workload {
	if variant > 0 {
		w.Options.Codec = codec.By([]codec.ID{codec.None, codec.S2, codec.Zstd}[variant%3])
		w.Options.PageSize = 512 << (variant % 4)
		w.Options.LogLimit += int64(variant%5) << 10
	}
	return w
}

// errorStride is how far apart the calls are that one unit of the error level makes fail.
const errorStride = 7

// runErrors makes every call of every workload fail in every way, then again with other options.
func runErrors(r *run) Outcome {
	workloads := CrashWorkloads()
	total := gather(r, func(s FaultStats) int { return s.Runs }, func(n int) FaultStats {
		round := n / len(workloads)
		w := vary(workloads[n%len(workloads)], round/errorStride)
		x := &Injector{Stride: errorStride, Offset: round % errorStride, Seed: r.Seed%1_000_000 + uint64(round), Stop: r.stop,
			Fail: func(where string, err error) { r.fail(fmt.Sprintf("round %d, %s", round, where), err) }}
		if w.Stride > 1 {
			x.Stride, x.Offset = 3*errorStride, round%(3*errorStride)
		}
		if err := x.Run(w); err != nil {
			r.fail(fmt.Sprintf("round %d", round), err)
		}
		return x.Stats
	})
	o := Outcome{Counts: total.Counts, Injected: int64(total.Injected), Figures: []Figure{
		{"indices", int64(total.Calls)}, {"runs", int64(total.Runs)}, {"injected", int64(total.Injected)},
		{"surfaced", int64(total.Surfaced)}, {"absorbed", int64(total.Absorbed)}, {"resumed", int64(total.Resumed)},
		{"open_failed", int64(total.Failed)}}}
	if total.Surfaced == 0 {
		o.Injected = 0 // a fault that nobody notices is none
	}
	return o
}

// runDamage damages every file of several databases: every bit, every length, every exchange. Then again with other
// page sizes.
func runDamage(r *run) Outcome {
	var detected atomic.Int64
	kinds := []DamageKind{SwapFiles(), ChangeLengths(1)}
	for turn := range 8 {
		kinds = append(kinds, FlipBytes(1, turn))
	}
	total := gather(r, func(s DamageStats) int { return s.Opens }, func(n int) DamageStats {
		kind, victim := kinds[n/4%len(kinds)], n%4
		round := n / 4 / len(kinds)
		compression := []codec.ID{codec.None, codec.S2}[victim%2]
		if round%2 == 1 {
			compression = codec.Zstd
		}
		v, err := NewVictim(512<<(round%3), compression, victim < 2)
		if err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
			return DamageStats{}
		}
		stats, err := v.TryAll(kind, r.stop, r.fail)
		if err != nil {
			r.fail(v.Name, err)
		}
		detected.Add(int64(stats.AtOpen + stats.AtRead))
		return stats
	})
	return Outcome{Counts: total.Counts, Injected: detected.Load(), Figures: []Figure{
		{"opens", int64(total.Opens)}, {"detected_open", int64(total.AtOpen)}, {"detected_read", int64(total.AtRead)},
		{"shorter", int64(total.Shorter)}, {"harmless", int64(total.Harmless)},
		{"peak_allocate", int64(total.PeakAllocate)}}}
}

// killsInUnit is how often the process on one directory is killed.
const killsInUnit = 10

// runKills kills processes that write, several times on the same directory.
func runKills(r *run) Outcome {
	total := gather(r, func(s KillStats) int { return s.Kills }, func(n int) KillStats {
		k := &Killer{Dir: filepath.Join(r.Dir, fmt.Sprint(n)), Command: r.Child, Fail: r.fail,
			Random: rand.New(rand.NewPCG(r.Seed+uint64(n), 5))}
		for range killsInUnit {
			if r.stop() {
				break
			}
			if err := k.Round(); err != nil {
				r.fail(k.Dir, err)
				break
			}
		}
		return k.Stats
	})
	return Outcome{Counts: total.Counts, Injected: int64(total.Kills), Figures: []Figure{{"kills", int64(total.Kills)},
		{"acked_txns", int64(total.Acked)}}}
}

// runSimulation runs one seed after the other.
func runSimulation(r *run) Outcome {
	total := gather(r, func(s SimulationStats) int { return s.Seeds }, func(n int) SimulationStats {
		seed := r.Seed + uint64(n)
		stats, _, err := Simulation{Seed: seed, Steps: DefaultSteps}.Run()
		if err != nil {
			r.fail(fmt.Sprintf("--only simulation --count 1 --seed %d", seed), err)
		}
		return stats
	})
	o := Outcome{Counts: total.Counts, LostWrites: total.Isolation.LostWrites,
		Injected: int64(total.Faults() + total.Kills + total.PowerCuts), Figures: []Figure{
			{"seeds", int64(total.Seeds)}, {"steps", int64(total.Steps)}, {"virtual_time_s", int64(total.Virtual.Seconds())},
			{"acked_txns", int64(total.Commits)}, {"interleaved_txns", int64(total.Isolation.Acked)},
			{"reads", int64(total.Reads)}, {"generations", int64(total.Lives)}, {"kills", int64(total.Kills)}, {"power_cuts", int64(total.PowerCuts)},
			{"recoveries_interrupted", int64(total.Unkept)}, {"surfaced", int64(total.Surfaced)},
			{"open_failed", int64(total.Failed)}}}
	for k, n := range total.Injected {
		o.Figures = append(o.Figures, Figure{faultKind(k).String(), int64(n)})
	}
	return o
}
