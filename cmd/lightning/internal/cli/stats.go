package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/watch"
)

func (a *app) statsCommand() *command.Command {
	return &command.Command{
		Use:     "stats DIR",
		Aliases: entries.Synonyms["stats"],
		Short:   "Show levels, memory, log and recovery",
		Help: `stats opens the database for reading and shows the levels of the tree, the memory and the log,
and what opening it had to recover. With --json, everything the database counts.

If another process has the database open, stats shows what that one has published, what it has
told about itself, and the memory of this command. With --json, "writer" names it, "told" is what
it has told, and so are "disk_limit", "log", "obsolete_files", "pinned_files", "pinned_bytes", and of
each level "target_bytes" and "score"; they are null if it has told nothing. "recovery" is null,
and "background_error" is there only if there is one. If no other process has it, "writer" and "told"
are null, and the rest is what was found by opening it.`,
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
	told := from.told(&m)
	sections := []section{{"database", databaseLines(from.Path(), m)}, {"levels", picture.Levels(m)}}
	if from.db != nil {
		log := fmt.Sprintf("%s, %s", units.Plural(m.Log.Segments, "segment"), units.Bytes(m.Log.Bytes))
		sections = append(sections, section{"memory", memoryLines(m)}, section{"log", []string{log}},
			section{"recovery", picture.Recovery(from.db.Recovery())})
	} else {
		sections = append(sections, writerSections(from.writer, m, told)...)
	}
	if m.BackgroundError != nil {
		sections = append(sections, section{"background work failed", []string{m.BackgroundError.Error()}})
	}
	for _, s := range sections {
		fmt.Fprintln(out, a.Bold(s.title))
		for _, line := range s.lines {
			fmt.Fprintln(out, "  "+line)
		}
	}
	return out.Flush()
}

// section is a part of what stats shows.
type section struct {
	title string
	lines []string
}

// writerSections are those of a followed database: what its writer told, or, if that is nil, what it alone knows.
func writerSections(writer string, own lightningdb.Metrics, told *lightningdb.WriterStatus) []section {
	unknown := []string{"known to " + writer + " alone"}
	memory, recovery := section{"memory of this process", memoryLines(own)}, section{"recovery", unknown}
	if told == nil {
		return []section{memory, {"log", unknown}, recovery}
	}
	title := fmt.Sprintf("process %d (%s), as it told %s", told.Pid, told.Program, watch.Age(*told, time.Now()))
	return []section{{title, watch.Lines(*told)}, memory, recovery}
}

// told is what the writer of a followed database has told about itself, or nil. What m lacks and the writer knows is
// filled in.
func (s source) told(m *lightningdb.Metrics) *lightningdb.WriterStatus {
	if s.follower == nil {
		return nil
	}
	status, err := s.follower.Writer()
	if err != nil {
		return nil
	}
	its := &status.Metrics
	m.Log, m.BackgroundError = its.Log, its.BackgroundError
	m.ObsoleteFiles, m.PinnedFiles, m.PinnedBytes = its.ObsoleteFiles, its.PinnedFiles, its.PinnedBytes
	for i, level := range its.Levels[:min(len(its.Levels), len(m.Levels))] { // both list all levels, from 0 on
		m.Levels[i].Target, m.Levels[i].Score = level.Target, level.Score
	}
	return &status
}

func databaseLines(path string, m lightningdb.Metrics) []string {
	lines := []string{path,
		fmt.Sprintf("%s on disk, last sequence number %s", units.Bytes(m.DiskBytes), units.Count(m.Sequence))}
	if m.ObsoleteFiles > 0 {
		lines = append(lines, fmt.Sprintf("%s, %s of them held by readers: %s",
			units.Plural(m.ObsoleteFiles, "obsolete file"), units.Count(m.PinnedFiles), units.Bytes(m.PinnedBytes)))
	}
	if m.Values.Files > 0 {
		lines = append(lines, "value files: "+picture.Values(m))
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
// What is null of a database that another process has open is known to that process alone, which has told nothing.
type stats struct {
	Path     string       `json:"path"`
	Writer   *string      `json:"writer"` // that process; null if there is none
	Told     *watch.Told  `json:"told"`   // what it has told about itself
	Sequence uint64       `json:"sequence"`
	Disk     int64        `json:"disk_bytes"`
	Live     int64        `json:"live_bytes"` // about what the data takes once compacted
	Limit    *watch.Limit `json:"disk_limit"` // null if the writer has none
	Levels   []levelStats `json:"levels"`
	Values   watch.Values `json:"value_files"`
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
		Read      uint64 `json:"read_bytes"`
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
	Values     int64    `json:"value_bytes"` // in value files
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
	told := from.told(&m)
	s := stats{Path: from.Path(), Sequence: m.Sequence, Disk: m.DiskBytes, Live: m.LiveBytes, Levels: []levelStats{},
		Values: watch.Values(m.Values), TablesOpen: m.TablesOpen}
	for _, l := range m.Levels {
		s.Levels = append(s.Levels, levelStats{l.Level, l.Tables, l.Bytes, l.Values, l.Entries, l.Tombstones, nil, nil})
	}
	if from.db == nil {
		s.Writer = &from.writer
	} else {
		s.Recovery = newRecoveryStats(from.db.Recovery())
	}
	if told != nil {
		s.Told = watch.ToldBy(*told, time.Now())
		s.Limit = s.Told.DiskLimit
	}
	if from.db != nil || told != nil {
		s.addWriters(&m)
	}
	s.Memory.Used, s.Memory.Limit = m.MemoryUsed, m.MemoryLimit
	s.Memtables.Active, s.Memtables.Frozen = m.Memtable.Active, m.Memtable.Frozen
	s.Memtables.Bytes, s.Memtables.Entries = m.Memtable.Bytes, m.Memtable.Entries
	s.Cache.Used, s.Cache.Limit = m.Cache.UsedBytes, m.Cache.LimitBytes
	s.Cache.Misses, s.Cache.Evictions, s.Cache.Read = m.Cache.Misses, m.Cache.Evictions, m.Cache.ReadBytes
	if m.BackgroundError != nil {
		s.BackgroundError = m.BackgroundError.Error()
	}
	return s
}

// addWriters adds what only the process knows that has the database open.
func (s *stats) addWriters(m *lightningdb.Metrics) {
	for i := range s.Levels {
		s.Levels[i].Target, s.Levels[i].Score = &m.Levels[i].Target, &m.Levels[i].Score
	}
	s.Log = &logStats{m.Log.Segments, m.Log.Bytes}
	s.ObsoleteFiles, s.PinnedFiles, s.PinnedBytes = &m.ObsoleteFiles, &m.PinnedFiles, &m.PinnedBytes
}

func newRecoveryStats(r lightningdb.RecoveryReport) *recoveryStats {
	return &recoveryStats{
		Created: r.Created, Segments: r.Segments, Records: r.Records, Operations: r.Operations,
		LogBytes: r.LogBytes, TornBytes: r.TornBytes, LastSequence: r.LastSequence,
		FilesRemoved: append([]string{}, r.FilesRemoved...), Seconds: r.Duration.Seconds(),
	}
}
