package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) statsCommand() *command.Command {
	return &command.Command{
		Use:     "stats DIR",
		Aliases: entries.Synonyms["stats"],
		Short:   "Show levels, memory, log and recovery",
		Help: `stats opens the database for reading and shows the levels of the tree, the memory and the log,
and what opening it had to recover. With --json, everything the database counts.

If another process has the database open, stats shows what that one has published, and the
memory of this command. The rest is known to that process alone: with --json, "writer" names it,
and "log", "recovery", "obsolete_files", "pinned_files", "pinned_bytes" and of each level
"target_bytes" and "score" are null. Else "writer" is null, and none of these.`,
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error {
			return a.read(args[0], func(from source) error { return a.writeStats(a.Stdout, from, a.JSON) })
		},
	}
}

func (a *app) writeStats(w io.Writer, from source, json bool) error {
	if json {
		return jsonline.Write(w, newStats(from))
	}
	out := bufio.NewWriter(w)
	m := from.Metrics()
	unknown := []string{"known to " + from.writer + " alone"}
	memory, log, recovery := "memory of this process", unknown, unknown
	if from.db != nil {
		memory, recovery = "memory", picture.Recovery(from.db.Recovery())
		log = []string{fmt.Sprintf("%s, %s", units.Plural(m.Log.Segments, "segment"), units.Bytes(m.Log.Bytes))}
	}
	sections := []struct {
		title string
		lines []string
	}{
		{"database", databaseLines(from.Path(), m)},
		{"levels", picture.Levels(m)},
		{memory, memoryLines(m)},
		{"log", log},
		{"recovery", recovery},
		{"background work failed", nil},
	}
	last := len(sections) - 1
	if m.BackgroundError == nil {
		sections = sections[:last]
	} else {
		sections[last].lines = []string{m.BackgroundError.Error()}
	}
	for _, s := range sections {
		fmt.Fprintln(out, a.Bold(s.title))
		for _, line := range s.lines {
			fmt.Fprintln(out, "  "+line)
		}
	}
	return out.Flush()
}

func databaseLines(path string, m lightningdb.Metrics) []string {
	lines := []string{path,
		fmt.Sprintf("%s on disk, last sequence number %s", units.Bytes(m.DiskBytes), units.Count(m.Sequence))}
	if m.ObsoleteFiles > 0 {
		lines = append(lines, fmt.Sprintf("%s, %s of them held by readers: %s",
			units.Plural(m.ObsoleteFiles, "obsolete file"), units.Count(m.PinnedFiles), units.Bytes(m.PinnedBytes)))
	}
	return lines
}

func memoryLines(m lightningdb.Metrics) []string {
	return []string{
		fmt.Sprintf("%-10s %10s of %10s  %s", "in use", units.Bytes(m.MemoryUsed), units.Bytes(m.MemoryLimit),
			picture.Gauge(m.MemoryUsed, m.MemoryLimit)),
		fmt.Sprintf("%-10s %10s of %10s  %s", "page cache", units.Bytes(m.Cache.UsedBytes), units.Bytes(m.Cache.LimitBytes),
			picture.Gauge(m.Cache.UsedBytes, m.Cache.LimitBytes)),
		fmt.Sprintf("%-10s %10s in %s", "memtables", units.Bytes(m.Memtable.Bytes),
			units.Plural(m.Memtable.Entries, "entry")),
	}
}

// stats is everything the database counts, as JSON. Sizes are in bytes, times in seconds. Names stay; new ones come.
// What is null of a database that another process has open is known to that process alone.
type stats struct {
	Path     string       `json:"path"`
	Writer   *string      `json:"writer"` // that process; null if there is none
	Sequence uint64       `json:"sequence"`
	Disk     int64        `json:"disk_bytes"`
	Live     int64        `json:"live_bytes"` // about what the data takes once compacted
	Levels   []levelStats `json:"levels"`
	Memory   struct {
		Used  int64 `json:"used_bytes"`
		Limit int64 `json:"limit_bytes"`
	} `json:"memory"`
	Memtables struct {
		Active  int   `json:"active"`
		Frozen  int   `json:"frozen"`
		Bytes   int64 `json:"bytes"`
		Entries int   `json:"entries"`
	} `json:"memtables"`
	Cache struct {
		Used      int64  `json:"used_bytes"`
		Limit     int64  `json:"limit_bytes"`
		Misses    uint64 `json:"misses"`
		Evictions uint64 `json:"evictions"`
	} `json:"cache"`
	Log             *logStats      `json:"log"`
	TablesOpen      int            `json:"tables_open"`
	ObsoleteFiles   *int           `json:"obsolete_files"`
	PinnedFiles     *int           `json:"pinned_files"` // of them, those that readers hold
	PinnedBytes     *int64         `json:"pinned_bytes"`
	Recovery        *recoveryStats `json:"recovery"`
	BackgroundError string         `json:"background_error,omitempty"`
}

type levelStats struct {
	Level      int      `json:"level"`
	Tables     int      `json:"tables"`
	Bytes      int64    `json:"bytes"`
	Entries    uint64   `json:"entries"`
	Tombstones uint64   `json:"tombstones"`
	Target     *int64   `json:"target_bytes"`
	Score      *float64 `json:"score"`
}

type logStats struct {
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`
}

type recoveryStats struct {
	Created      bool     `json:"created"`
	Segments     int      `json:"segments"`
	Records      int64    `json:"records"`
	Operations   int64    `json:"operations"`
	LogBytes     int64    `json:"log_bytes"`
	TornBytes    int64    `json:"torn_bytes"`
	LastSequence uint64   `json:"last_sequence"`
	FilesRemoved []string `json:"files_removed"`
	Seconds      float64  `json:"seconds"`
}

func newStats(from source) stats {
	m := from.Metrics()
	s := stats{Path: from.Path(), Sequence: m.Sequence, Disk: m.DiskBytes, Live: m.LiveBytes, Levels: []levelStats{},
		TablesOpen: m.TablesOpen}
	for _, l := range m.Levels {
		s.Levels = append(s.Levels, levelStats{l.Level, l.Tables, l.Bytes, l.Entries, l.Tombstones, nil, nil})
	}
	if from.db == nil {
		s.Writer = &from.writer
	} else {
		s.addOwn(from.db, &m)
	}
	s.Memory.Used, s.Memory.Limit = m.MemoryUsed, m.MemoryLimit
	s.Memtables.Active, s.Memtables.Frozen = m.Memtable.Active, m.Memtable.Frozen
	s.Memtables.Bytes, s.Memtables.Entries = m.Memtable.Bytes, m.Memtable.Entries
	s.Cache.Used, s.Cache.Limit = m.Cache.UsedBytes, m.Cache.LimitBytes
	s.Cache.Misses, s.Cache.Evictions = m.Cache.Misses, m.Cache.Evictions
	if m.BackgroundError != nil {
		s.BackgroundError = m.BackgroundError.Error()
	}
	return s
}

// addOwn adds what only the process knows that has the database open.
func (s *stats) addOwn(db *lightningdb.DB, m *lightningdb.Metrics) {
	for i := range s.Levels {
		s.Levels[i].Target, s.Levels[i].Score = &m.Levels[i].Target, &m.Levels[i].Score
	}
	s.Log = &logStats{m.Log.Segments, m.Log.Bytes}
	s.ObsoleteFiles, s.PinnedFiles, s.PinnedBytes = &m.ObsoleteFiles, &m.PinnedFiles, &m.PinnedBytes
	s.Recovery = newRecoveryStats(db.Recovery())
}

func newRecoveryStats(r lightningdb.RecoveryReport) *recoveryStats {
	return &recoveryStats{
		Created: r.Created, Segments: r.Segments, Records: r.Records, Operations: r.Operations,
		LogBytes: r.LogBytes, TornBytes: r.TornBytes, LastSequence: r.LastSequence,
		FilesRemoved: append([]string{}, r.FilesRemoved...), Seconds: r.Duration.Seconds(),
	}
}
