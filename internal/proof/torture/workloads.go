package torture

import (
	"slices"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs/memfs"
)

// small makes things happen after few kilobytes.
var small = engine.Options{LogLimit: 12 << 10, PageSize: 512, MemoryLimit: engine.MinMemoryLimit, Poison: true,
	Rows: true, Gaps: true, Followers: true}

// CrashWorkloads are the workloads of the systematic crash test: each thing that an engine does to its directory,
// small enough to be interrupted everywhere.
func CrashWorkloads() []Workload {
	tiny := small
	tiny.Codec = codec.By(codec.S2)
	return slices.Concat([]Workload{
		{Name: "create", Options: small, Run: steps((*Session).Open, (*Session).Close)},
		{Name: "one-commit", Options: small, Prepare: nothing, Run: steps((*Session).Open, put("a", 10, true), read("a"))},
		{Name: "three-commits", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 20, true), read("a"), put("b", 700, true), put("a", 30, true), read("a"))},
		{Name: "large-batch", Options: small, Prepare: many("k", 0, 40, 30, true), Run: steps((*Session).Open,
			many("k", 20, 60, 300, true), read("k050"), many("k", 0, 30, 90, true))},
		{Name: "process-commits", Options: small, Prepare: nothing, Run: steps((*Session).Open, put("a", 10, false),
			read("a"), put("b", 600, false), put("", 10, false), (*Session).Sync, read(""),
			put("a", 1200, false), put("d", 10, true), put("b", 10, false), read("b"))},
		{Name: "rotation", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 2500, false), put("b", 2500, false), put("c", 2500, true), put("d", 2500, false),
			flushStep, put("e", 2500, false), cleanStep)},
		{Name: "flush", Options: tiny, Prepare: many("k", 0, 20, 40, true), Run: steps((*Session).Open,
			many("k", 10, 30, 40, false), (*Session).Flush, remove("k005"), put("k006", 50, false), (*Session).Flush,
			cleanStep)},
		{Name: "compaction", Options: tiny, Prepare: layers(5), Run: steps((*Session).Open, compact, cleanStep,
			put("after", 10, true))},
		{Name: "compaction-steps", Options: small, Prepare: layers(9), Run: steps((*Session).Open, compactSteps, cleanStep,
			put("a", 20, true), (*Session).Flush, compactSteps, cleanStep)},
		{Name: "trivial-move", Options: small, Prepare: nothing, Run: steps((*Session).Open,
			many("a", 0, 9, 40, true), (*Session).Flush, compact,
			many("b", 0, 9, 40, true), (*Session).Flush, compact, cleanStep)},
		{Name: "log-deletion", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open,
			put("a", 4000, false), put("b", 4000, false), flushStep, cleanStep, put("c", 4000, false), flushStep, flushStep,
			cleanStep, put("d", 9, true))},
		{Name: "manifest-rotation", Stride: 16, Options: small, Prepare: nothing, Run: steps((*Session).Open,
			longKeys(10), cleanStep, put("a", 10, true))},
		{Name: "recovery-power-cut", Options: small, Prepare: mixture, Ends: End{true, memfs.Random, 5}, Run: openAndRead},
		{Name: "recovery-all", Options: small, Prepare: mixture, Ends: End{true, memfs.All, 0}, Run: openAndRead},
		{Name: "recovery-kill", Options: small, Prepare: mixture, Run: openAndRead},
		{Name: "close", Options: small, Prepare: put("a", 10, true), Run: steps((*Session).Open, put("a", 30, false),
			put("b", 900, true), (*Session).Close, (*Session).Open, put("c", 10, true), (*Session).Close)},
		{Name: "deletes-and-snapshots", Options: small, Prepare: many("k", 0, 20, 40, true), Run: deletesUnderSnapshot},
		{Name: "merges", Options: small, Prepare: merges(3, true), Run: steps((*Session).Open, merges(20, false),
			(*Session).Flush, merges(2, true), flushUnderSnapshot, merges(4, false), remove("list"), merges(1, true), compact,
			merges(2, false), cleanStep, read("count"), read("list"), read("digest"))},
		{Name: "ingest", Options: small, Prepare: many("k", 0, 20, 40, true), Run: steps((*Session).Open,
			put("k003", 30, false), read("k003"), ingest("k", 0, 30, 60), read("k003"), put("k003", 20, false),
			put("z", 10, true), cleanStep)},
		{Name: "ingest-above-tables", Options: tiny, Prepare: layers(4), Run: steps((*Session).Open,
			ingest("k", 5, 25, 40), remove("k006"), ingest("k", 0, 9, 30), compact, cleanStep, ingest("m", 0, 5, 9),
			(*Session).Close, (*Session).Open, read("m001"))},
		{Name: "ingest-of-rotated-log", Options: small, Prepare: nothing, Run: steps((*Session).Open,
			put("a", 2500, false), put("b", 2500, false), put("c", 2500, false), ingest("a", 0, 9, 30), ingest("b", 0, 9, 30),
			put("c", 2500, false), put("d", 2500, false), flushStep, cleanStep)},
		{Name: "large-values", Options: tiny, Prepare: put("x", 5000, true), Run: steps((*Session).Open,
			put("v", 9000, false), put("w", 30000, true), (*Session).Flush, put("v", 7000, true), remove("w"), compact,
			read("v"), cleanStep)},
	}, treeWorkloads(), valueWorkloads(), rangeWorkloads(), endWorkloads(), lifeWorkloads())
}

// treeWorkloads are those about what is in the tables, and when.
func treeWorkloads() []Workload {
	s2, coarse := small, small
	s2.Codec = codec.By(codec.S2)
	coarse.LogLimit = 0
	return []Workload{
		{Name: "deletes-to-the-last-level", Options: s2, Prepare: steps(many("k", 0, 30, 60, true), compact),
			Run: steps((*Session).Open, removeAll("k", 0, 12), (*Session).Flush, compact, cleanStep,
				removeAll("k", 12, 30), compact, cleanStep, read("k003"), put("k003", 9, true))},
		{Name: "compact-range-under-snapshot", Options: small, Prepare: layers(4), Run: steps((*Session).Open,
			compactUnderSnapshot, compact, cleanStep)},
		{Name: "same-key", Options: small, Prepare: steps(flushed(put("a", 60, true)), compact, (*Session).Close),
			Run: repeat(3, cycle(steps(put("a", 90, false), flushed(put("a", 40, true)), flushed(remove("a")),
				put("a", 20, true), read("a"))))},
		{Name: "other-options", Options: small, Prepare: steps(mixture, (*Session).Close), Run: steps(
			with(4096, codec.Zstd, 9<<10), cycle(steps(many("k", 0, 9, 80, true), read("k001"))),
			with(1024, codec.S2, 30<<10), cycle(steps(many("k", 5, 20, 80, false), compact)),
			with(512, codec.None, 6<<10), (*Session).Open, read("k012"), put("k012", 90, true))},
		{Name: "long-level-0", Stride: 4, Options: small, Prepare: layers(9), Run: steps((*Session).Open,
			repeat(4, flushed(many("k", 3, 9, 30, true))), put("b", 30, false), (*Session).Close, (*Session).Open,
			read("b"), compactSteps, cleanStep)},
		{Name: "beyond-memtable", Stride: 4, Options: coarse, Prepare: put("k000", 9, true), Run: steps((*Session).Open,
			put("a", 30, false), many("k", 0, 50, 30<<10, true), put("b", 30, true), read("k012"), flushStep, cleanStep)},
		{Name: "verify", Options: s2, Prepare: layers(3), Run: steps((*Session).Open, verify, put("a", 3000, false), verify,
			(*Session).Flush, verify, compact, verify, cleanStep)},
	}
}

// lifeWorkloads are those about the log, and about opening and closing.
func lifeWorkloads() []Workload {
	narrow := small
	narrow.LogLimit = 3 << 10
	limited := small
	limited.DiskLimit = 4 << 20
	return []Workload{
		{Name: "mixed-durability-rotation", Options: small, Prepare: put("a", 10, false), Run: steps((*Session).Open,
			put("a", 2500, false), put("b", 2500, true), put("c", 2500, false), put("d", 1500, false), (*Session).Sync,
			put("e", 2500, true), put("f", 3000, false), read("f"), put("g", 3000, false), put("h", 9, true))},
		{Name: "many-segments", Options: narrow, Prepare: nothing, Run: steps((*Session).Open, put("a", 700, false),
			put("b", 700, false), put("a", 700, true), put("c", 700, false), put("a", 700, false), put("d", 700, false),
			put("e", 700, true), put("f", 700, false), cleanStep, put("g", 700, false))},
		{Name: "recovery-of-segments", Options: narrow, Prepare: steps(put("a", 1200, false), put("b", 1200, true),
			put("c", 1200, false), put("d", 10, false)), Run: steps(openAndRead, put("e", 1200, false),
			put("f", 1200, true), cleanStep, (*Session).Close, openAndRead)},
		{Name: "open-and-close", Options: small, Prepare: steps(mixture, (*Session).Close), Run: repeat(4, cycle(nothing))},
		{Name: "empty-syncs", Options: small, Prepare: nothing, Run: steps((*Session).Open, emptySync, put("a", 10, false),
			emptySync, put("b", 700, false), remove("a"), emptySync, emptySync, put("c", 10, false), (*Session).Close,
			(*Session).Open, emptySync, (*Session).Close)},
		{Name: "full-disk", Options: narrow, Prepare: put("a", 10, true), Run: steps(fullDisk, put("b", 900, false),
			put("c", 900, true), (*Session).Flush, cleanStep, read("c"))},
		{Name: "disk-limit", Stride: 2, Options: limited, Prepare: put("a", 10, true), Run: steps(spendReserve,
			put("b", 900, false), (*Session).Flush, cleanStep, (*Session).Close, openAndRead)},
		{Name: "values-alike", Options: narrow, Prepare: nothing, Run: steps((*Session).Open, repeat(4, steps(
			putAlike("a", 700, 0, true), putAlike("a", 700, 'x', false), putAlike("b", 900, 0, false), flushStep, cleanStep)),
			read("a"), read("b"))},
		{Name: "read-only", Options: small, Prepare: mixture, Run: steps(readOnly, (*Session).Open, put("a", 10, true),
			(*Session).Close, readOnly, readOnly)},
	}
}

// Vary is w with the options of a variant; variant 0 is w as it is.
func (w Workload) Vary(variant int) Workload {
	if variant > 0 {
		w.Options.Codec = codec.By([]codec.ID{codec.None, codec.S2, codec.Zstd}[variant%3])
		w.Options.PageSize = 512 << (variant % 4)
		w.Options.LogLimit += int64(variant%5) << 10
		if w.Options.ValueThreshold == 0 {
			w.Options.ValueThreshold = thresholds[variant%len(thresholds)]
		}
	}
	return w
}
