package campaign

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/proof/copies"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs/memfs"
)

// operationsInUnit is how long one run of the differential level is.
const operationsInUnit = 10_000

// runDifferential runs every mix in turn.
func runDifferential(r *run) Outcome {
	mixes := torture.Mixes()
	total := gather(r, func(t torture.Tally) int { return t.Operations }, func(n int) torture.Tally {
		m, seed := mixes[n%len(mixes)], r.Seed+uint64(n)
		tally, err := m.Run(seed, operationsInUnit, r.stop)
		if err != nil {
			r.fail(fmt.Sprintf("mix %s, seed %d, %d operations", m.Name, seed, operationsInUnit), err)
		}
		return tally
	})
	return differentialOutcome(total, len(mixes))
}

func differentialOutcome(total torture.Tally, mixes int) Outcome {
	return Outcome{Counts: total.Counts, Injected: int64(total.Killed + total.PowerCuts), Figures: append([]Figure{
		{"ops", int64(total.Operations)}, {"option_sets", mixes}, {"commits", int64(total.Commits)},
		{"comparisons", int64(total.Comparisons)}, {"kills", int64(total.Killed)}, {"power_cuts", int64(total.PowerCuts)},
		{"divergences", total.WrongData}}, append(valueFigures(total.Values), streamFigures(total.Streams)...)...)}
}

// rounds of the crash level look at another third of the images each, and at other seeds.
const crashShare = 3

// runCrash cuts every workload at every change, round after round, with another choice of images in each.
func runCrash(r *run) Outcome {
	workloads := torture.CrashWorkloads()
	var points coverage
	total := gather(r, func(s torture.Stats) int { return s.Images }, func(n int) torture.Stats {
		round := n / len(workloads)
		w := workloads[n%len(workloads)].Vary(round / crashShare)
		x := r.explorer(round)
		if err := x.Run(w); err != nil {
			r.fail(fmt.Sprintf("round %d", round), err)
		}
		if stride := max(w.Stride, 1); x.Stats.Changes > 0 && round < crashShare {
			points.add(w.Name, x.Stats.Changes, round%stride, stride)
		}
		return x.Stats
	})
	return crashOutcome(total, &points)
}

// explorer is that of one round of the crash level.
func (r *run) explorer(round int) *torture.Explorer {
	const seeded = 2
	return &torture.Explorer{
		Offset: round,
		Cuts: func(depth, point, unsynced, sectors int) []torture.Cut {
			limit, share := 2, crashShare
			if depth > 0 {
				limit, share = 1, 5
			}
			cuts := torture.AllCuts(unsynced, sectors, limit, seeded)
			for i := range cuts {
				if cuts[i].Policy == memfs.Random {
					cuts[i].Seed += r.Seed%1_000_000 + uint64(round*seeded)
				}
			}
			return torture.OneIn(share, point+round, cuts)
		},
		Nested: func(depth, image int) bool {
			return depth == 1 && image%499 == 249 || depth > 1 && depth <= 3 && image%151 == 0
		},
		After:    func(image int) bool { return image%5 == 0 },
		Followed: func(n int) bool { return (n+round)%torture.FollowedShare == 0 },
		Stop:     r.stop,
		Fail:     func(where string, err error) { r.fail(fmt.Sprintf("round %d, %s", round, where), err) },
	}
}

func crashOutcome(total torture.Stats, points *coverage) Outcome {
	places, hit := points.total()
	policies := make(map[string]int)
	for p, n := range total.ByPolicy {
		policies[memfs.Policy(p).String()] = n
	}
	o := Outcome{Counts: total.Counts, Followers: total.Followers, Injected: int64(total.Images), Figures: []Figure{
		{"workloads", len(points.runs)}, {"io_points", places}, {"io_points_hit_percent", hit}, {"cuts", total.Points},
		{"images", total.Images}, {"policies", policies}, {"kills", total.Kills}, {"nested", total.Nested},
		{"nested_max", total.Deepest}, {"acked_txns", total.Acked}, {"open_failed", total.Failed},
		{"recover_ms", total.Recovery.Milliseconds()}}}
	o.Figures = append(append(o.Figures, valueFigures(total.Values)...), rangeFigures(total.Ranges)...)
	return o
}

// errorStride is how far apart the calls are that one unit of the error level makes fail.
const errorStride = 7

// slowStride is the Stride of workloads above which even a few runs of one take long: those with values of a MiB.
const slowStride = 16

// runErrors makes every call of every workload fail in every way, then again with other options.
func runErrors(r *run) Outcome {
	workloads := torture.CrashWorkloads()
	var indices coverage
	total := gather(r, func(s torture.FaultStats) int { return s.Runs }, func(n int) torture.FaultStats {
		round := n / len(workloads)
		w := workloads[n%len(workloads)].Vary(round / errorStride)
		x := r.injector(round)
		x.Stride, x.Offset = errorStride, round%errorStride
		if w.Stride > 1 {
			x.Stride = 3 * errorStride
			if w.Stride > slowStride {
				x.Stride = 9 * errorStride
			}
			x.Offset = round % x.Stride
		}
		if err := x.Run(w); err != nil {
			r.fail(fmt.Sprintf("round %d", round), err)
		}
		if round < errorStride {
			indices.add(w.Name, x.Stats.Indices, x.Offset, x.Stride)
		}
		return x.Stats
	})
	o := faultOutcome(total)
	places, hit := indices.total()
	o.Figures = append(o.Figures, Figure{"indices", places}, Figure{"indices_hit_percent", hit},
		Figure{"followers_faulted", total.Blinded})
	return o
}

func (r *run) injector(round int) *torture.Injector {
	return &torture.Injector{Seed: r.Seed%1_000_000 + uint64(round), Stop: r.stop,
		Fail: func(where string, err error) { r.fail(fmt.Sprintf("round %d, %s", round, where), err) }}
}

// faultOutcome is that of the levels in which calls fail. A fault that nobody notices is none.
func faultOutcome(total torture.FaultStats) Outcome {
	o := Outcome{Counts: total.Counts, Followers: total.Followers, Figures: []Figure{
		{"runs", total.Runs}, {"injected", total.Injected}, {"by_errno", total.ByFault},
		{"surfaced", total.Surfaced}, {"surfaced_percent", percentage(total.Surfaced, total.Surfaced+total.Absorbed)},
		{"absorbed", total.Absorbed}, {"swallowed", total.Swallowed}, {"resumed", total.Resumed},
		{"open_failed", total.Failed}, {"hung", 0}}} // a run that hangs ends the program, see Watchdog
	o.Figures = append(o.Figures, valueFigures(total.Values)...)
	if total.Surfaced > 0 {
		o.Injected = int64(total.Injected)
	}
	return o
}

// pairsInUnit is how many pairs of faults one unit of the pairs level tries.
const pairsInUnit = 30

// runPairs makes pairs of calls fail that the seed chooses.
func runPairs(r *run) Outcome {
	workloads := torture.CrashWorkloads()
	total := gather(r, func(s torture.FaultStats) int { return s.Runs }, func(n int) torture.FaultStats {
		x := r.injector(n)
		if err := x.RunPairs(workloads[n%len(workloads)].Vary(n/len(workloads)), pairsInUnit); err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
		}
		return x.Stats
	})
	o := faultOutcome(total)
	o.Figures = append(o.Figures, Figure{"both", total.Pairs}, Figure{"followers_faulted", total.Blinded})
	if total.Pairs == 0 {
		o.Injected = 0
	}
	return o
}

// runConcurrent lets one call fail under several writers and the background goroutines.
func runConcurrent(r *run) Outcome {
	return faultOutcome(gather(r, func(s torture.FaultStats) int { return s.Runs }, func(n int) torture.FaultStats {
		stats, err := torture.DisturbedLife(r.Seed + uint64(n))
		if err != nil {
			r.fail(fmt.Sprintf("life of seed %d", r.Seed+uint64(n)), err)
		}
		return stats
	}))
}

// runDamage damages every file of several databases: every bit, every length, every exchange. Then again with other
// page sizes.
func runDamage(r *run) Outcome {
	const others = 2 // kinds that change more than bits
	var flips atomic.Int64
	kinds := []torture.DamageKind{torture.SwapFiles(), torture.ChangeLengths(1)}
	for turn := range 8 {
		kinds = append(kinds, torture.FlipBytes(1, turn))
	}
	total := gather(r, func(s torture.DamageStats) int { return s.Opens }, func(n int) torture.DamageStats {
		kind, victim := n/4%len(kinds), n%4
		round := n / 4 / len(kinds)
		compression := []codec.ID{codec.None, codec.S2}[victim%2]
		if round%2 == 1 {
			compression = codec.Zstd
		}
		v, err := torture.NewVictim(512<<(round%3), compression, victim < 2)
		if err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
			return torture.DamageStats{}
		}
		stats, err := v.TryAll(kinds[kind], r.stop, r.fail)
		if err != nil {
			r.fail(v.Name, err)
		}
		if kind >= others {
			flips.Add(int64(stats.Opens))
		}
		return stats
	})
	o := damageOutcome(total)
	o.Figures = append(o.Figures, Figure{"bytes_tried", flips.Load()})
	return o
}

// damageOutcome is that of the levels that change files. Damage that nobody notices is none.
func damageOutcome(total torture.DamageStats) Outcome {
	injected := int64(total.AtOpen + total.AtRead + total.AtVerify)
	return Outcome{Counts: total.Counts, Followers: total.Followers, Injected: injected, Figures: []Figure{
		{"opens", total.Opens}, {"detected_follow", total.Refused}, {"detected_open", total.AtOpen},
		{"detected_read", total.AtRead},
		{"detected_verify", total.AtVerify}, {"harmless", total.Harmless}, {"plausible", total.Plausible},
		{"shorter", total.Shorter}, {"peak_allocate", total.PeakAllocate}}}
}

// runCrafts makes the content of a database impossible under right checksums: those closed, those killed, of several
// page sizes. Each unit takes one change in craftShare.
func runCrafts(r *run) Outcome {
	const craftShare = 20
	opens := func(s torture.DamageStats) int { return s.Opens }
	return damageOutcome(gather(r, opens, func(n int) (stats torture.DamageStats) {
		v, err := torture.NewVictim(512<<(n/2/craftShare%3), codec.None, n%2 == 0)
		if err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
			return stats
		}
		c, err := torture.NewCrafter(v)
		if err != nil {
			r.fail(v.Name, err)
			return stats
		}
		for i, craft := range c.Crafts() {
			if i%craftShare != n/2%craftShare || r.stop() {
				continue
			}
			if err := c.Try(&stats, craft); err != nil {
				r.fail(fmt.Sprintf("%s, %s", v.Name, craft.What), err)
			}
		}
		return stats
	}))
}

// Of the units of the salvage level one in interruptedShare has its salvages interrupted as well: at one in
// interruptedStride of all changes and calls.
const (
	interruptedShare  = 8
	interruptedStride = 10
)

// runSalvage destroys databases and salvages what is left of them.
func runSalvage(r *run) Outcome {
	destructions := func(s destruction.Stats) int { return s.Destructions }
	return salvageOutcome(gather(r, destructions, func(n int) destruction.Stats {
		seed := r.Seed + uint64(n)
		d := &destruction.Destroyer{Stop: r.stop, Fail: func(where string, err error) { r.fail("seed "+where, err) }}
		err := d.Run(seed)
		if err == nil && n%interruptedShare == 0 {
			err = d.Interrupt(seed, interruptedStride)
		}
		if err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
		}
		return d.Stats
	}))
}

// salvageOutcome is that of the salvage level. Destruction that no salvage has noticed is none.
func salvageOutcome(total destruction.Stats) Outcome {
	x := total.Interrupted
	o := Outcome{Counts: total.Counts, Figures: []Figure{
		{"destructions", total.Destructions}, {"victims", total.Victims}, {"damages_by_file", total.ByFile},
		{"noticed", total.Noticed}, {"hopeless", total.Hopeless}, {"keys", total.Keys}, {"losses", total.Losses},
		{"power_cuts", x.PowerCuts}, {"faults", x.Faults}, {"faults_absorbed", x.Absorbed}, {"images", x.Images},
		{"images_refused", x.Refused}, {"images_empty", x.Empty}, {"images_complete", x.Complete}}}
	if x.PowerCuts > 0 && x.Faults > 0 {
		o.Injected = int64(total.Noticed)
	}
	return o
}

// copiesStride is one in how many changes and calls of a copy are tried, with each database.
const copiesStride = 24

// runCopies interrupts and damages the copies of one database after the other. In the first unit it waits until
// processes pass for dead.
func runCopies(r *run) Outcome {
	return copiesOutcome(gather(r, func(s copies.Stats) int { return s.Runs }, func(n int) copies.Stats {
		t := &copies.Trial{Stride: copiesStride, Patient: n == 0, Stop: r.stop, Fail: r.fail}
		if err := t.Run(r.Seed + uint64(n)); err != nil {
			r.fail(fmt.Sprintf("unit %d", n), err)
		}
		return t.Stats
	}))
}

// copiesOutcome is that of the level of copies. Damage that nobody notices is none.
func copiesOutcome(total copies.Stats) Outcome {
	o := Outcome{Counts: total.Counts, Figures: []Figure{
		{"runs", total.Runs}, {"power_cuts", total.PowerCuts}, {"faults", total.Faults}, {"killed", total.Killed},
		{"damages", total.Damages}, {"faults_absorbed", total.Absorbed}, {"noticed", total.Noticed},
		{"harmless", total.Harmless}, {"images", total.Images}, {"images_refused", total.Refused},
		{"images_empty", total.Empty}, {"images_complete", total.Complete}, {"restored", total.Restored}}}
	if total.PowerCuts > 0 && total.Faults > 0 {
		o.Injected = int64(total.Noticed)
	}
	return o
}

// killsInUnit is how often the process on one directory is killed, killsSalvaged how many directories there are for
// each one that is salvaged in the end, by processes that are killed as well, and for each one next to which another
// one is archived, by as many processes as killsArchived.
const (
	killsInUnit   = 10
	killsSalvaged = 4
	killsArchived = 5
)

// runKills kills processes that write, several times on the same directory.
func runKills(r *run) Outcome {
	total := gather(r, func(s torture.KillStats) int { return s.Kills }, func(n int) torture.KillStats {
		k := &torture.Killer{Dir: filepath.Join(r.Dir, fmt.Sprint(n)), Command: r.Child, Fail: r.fail,
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
		if n%killsSalvaged == 1 && !r.stop() {
			if err := k.Salvage(); err != nil {
				r.fail(k.Dir, err)
			}
		}
		if n%killsSalvaged == 2 && !r.stop() {
			if err := k.Archive(killsArchived); err != nil {
				r.fail(k.Dir, err)
			}
		}
		end := k.Close
		if n == 0 { // it waits for as long as leases live
			end = func() error { return errors.Join(k.LeasesEnd(), k.CopiesEnd()) }
		}
		if err := end(); err != nil {
			r.fail(k.Dir, err)
		}
		return k.Stats
	})
	return killOutcome(total)
}

func killOutcome(total torture.KillStats) Outcome {
	return Outcome{Counts: total.Counts, Followers: total.Followers, Injected: int64(total.Kills), Figures: []Figure{
		{"kills", total.Kills}, {"acked_txns", total.Acked}, {"survived_txns", total.Survived},
		{"value_files", total.Values}, {"salvages_killed", total.Salvages}, {"salvages_unfinished", total.Unfinished},
		{"copies_killed", total.Copies}, {"copies_whole", total.CopiesWhole},
		{"copies_unfinished", total.CopiesUnfinished}, {"archives_killed", total.Archives},
		{"archives_behind", total.ArchivesBehind}, {"archive_points", total.Points}}}
}

// runSimulation runs one seed after the other.
func runSimulation(r *run) Outcome {
	total := gather(r, func(s torture.SimulationStats) int { return s.Seeds }, func(n int) torture.SimulationStats {
		seed := r.Seed + uint64(n)
		m := torture.Simulation{Seed: seed, Steps: torture.DefaultSteps}
		stats, _, err := m.Run()
		if err != nil {
			small, err := m.Shrink(r.stop)
			r.fail(small.String(), err)
		}
		return stats
	})
	return simulationOutcome(total)
}

func simulationOutcome(total torture.SimulationStats) Outcome {
	o := Outcome{Counts: total.Counts, Followers: total.Followers, LostWrites: total.Isolation.LostWrites,
		Injected: int64(total.Faults() + total.Kills + total.PowerCuts)}
	o.Figures = []Figure{
		{"seeds", int64(total.Seeds)}, {"steps", int64(total.Steps)}, {"virtual_time_s", int64(total.Virtual.Seconds())},
		{"acked_txns", int64(total.Commits)}, {"reads", int64(total.Reads)}, {"generations", int64(total.Lives)},
		{"kills", int64(total.Kills)}, {"power_cuts", int64(total.PowerCuts)},
		{"recoveries_interrupted", int64(total.Unkept)}, {"surfaced", int64(total.Surfaced)},
		{"open_failed", int64(total.Failed)}, {"interleaved_txns", int64(total.Isolation.Acked)},
		{"checkpoints", int64(total.Checkpoints)}}
	for k, n := range total.Injected {
		o.Figures = append(o.Figures, Figure{torture.FaultName(k), int64(n)})
	}
	o.Figures = append(append(o.Figures, valueFigures(total.Values)...), streamFigures(total.Streams)...)
	return o
}

// streamFigures are what became of streams.
func streamFigures(s torture.StreamStats) []Figure {
	return []Figure{{"streams", s.Put}, {"streams_broken", s.Broken}, {"values_viewed", s.Viewed}}
}

// valueFigures are what became of value files.
func valueFigures(s torture.ValueStats) []Figure {
	return []Figure{{"value_files_made", s.Made}, {"value_files_emptied", s.Emptied}, {"value_files_removed", s.Removed}}
}

func rangeFigures(s torture.RangeStats) []Figure {
	return []Figure{{"tables_dropped", s.Dropped}, {"range_tombstones_settled", s.Settled}}
}
