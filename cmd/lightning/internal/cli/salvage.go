package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) salvageCommand() *command.Command {
	var uncommitted bool
	return &command.Command{
		Use:     "salvage DIR TO",
		Aliases: entries.Synonyms["salvage"],
		Short:   "Write what is whole of a damaged database to a new one",
		Help: `salvage reads the damaged database in DIR, page by page and record by record, and writes a new one to TO
with every entry that is whole: of each key the newest value that can be read. It never changes DIR. It needs no
manifest and no log. TO must be empty or absent, and is empty again if salvage fails or is interrupted.

It lists what is damaged, and what may be missing, by keys; within those keys a value may be an older one, and a
deleted key may be back. Both ends of a span belong to it. Nothing is invented. Without a whole manifest the span is
all keys: those whose deletes were compacted away come back from obsolete tables and value files.

It exits with 0 if nothing is missing, and with 5 if something may be; then TO is a database all the same. A log that
ends in the middle of a commit, as a crash leaves it, is no damage to check; here it counts as something that may be
missing.

While another process has the database in DIR open for writing, it exits with 4: stop that one first.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&uncommitted, "uncommitted", false, "also take what large transactions wrote, committed or not, "+
				"where no manifest says which")
		},
		Run: func(ctx context.Context, args []string) error {
			start := time.Now()
			a.Place = args[1]
			report, err := a.salvage(ctx, args[0], args[1], uncommitted)
			if err != nil && ctx.Err() != nil {
				return console.Advise(err, "run it again: it begins anew, and nothing is left of this attempt")
			}
			if err != nil {
				return err
			}
			if err := a.reportSalvage(report, time.Since(start)); err != nil {
				return err
			}
			return incomplete(report, args[1])
		},
	}
}

func (a *app) salvage(ctx context.Context, from, to string, uncommitted bool) (*lightningdb.SalvageReport, error) {
	if from == "" || to == "" {
		return nil, console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	var done, total atomic.Int64
	line := progress.Start(a.Screen(), "salvage", func() progress.Sample {
		return progress.Sample{Done: done.Load(), Total: total.Load(), Noun: "bytes", Count: done.Load()}
	})
	defer line.Stop()
	return lightningdb.Salvage(ctx, from, to, &lightningdb.SalvageOptions{MemoryLimit: int64(a.MemoryLimit),
		Uncommitted: uncommitted, Progress: func(read, all int64) { done.Store(read); total.Store(all) }})
}

// incomplete is the error of a salvage that could not get everything.
func incomplete(r *lightningdb.SalvageReport, to string) error {
	if len(r.Losses) == 0 && len(r.LeftOut) == 0 {
		return nil
	}
	text := fmt.Sprintf("salvage: %s written, and in %s entries may be missing", units.Plural(int64(r.Keys), "key"),
		units.Plural(int64(len(r.Losses)+len(r.LeftOut)), "place"))
	return console.Advise(&many{fmt.Errorf("%w", lightningdb.ErrCorrupt), text},
		to+" is a database: compare what is listed with an earlier copy or export")
}

// salvageKeys is a span of keys in JSON, both ends included; null where it is open.
type salvageKeys struct {
	From     *string `json:"from"`
	To       *string `json:"to"`
	Encoding string  `json:"encoding,omitempty"` // "base64" if a key is no text
}

func newSalvageKeys(from, to []byte) salvageKeys {
	k := salvageKeys{}
	if !utf8.Valid(from) || !utf8.Valid(to) {
		k.Encoding = "base64"
	}
	spell := func(key []byte) *string {
		if key == nil {
			return nil
		}
		text := string(key)
		if k.Encoding != "" {
			text = base64.StdEncoding.EncodeToString(key)
		}
		return &text
	}
	k.From, k.To = spell(from), spell(to)
	return k
}

// salvageResult is the outcome of salvage with --json.
type salvageResult struct {
	Files      int              `json:"files"` // that were read
	Bytes      int64            `json:"bytes"` // in them
	Tables     int              `json:"tables"`
	Segments   int              `json:"log_segments"`
	Manifest   string           `json:"manifest"` // empty if none is whole
	Keys       uint64           `json:"keys"`     // written
	Older      uint64           `json:"older_keys"`
	Operands   uint64           `json:"merges_left_out"`
	Sequence   uint64           `json:"sequence"`
	Closed     bool             `json:"closed"`
	Seconds    float64          `json:"seconds"`
	Damage     []damage         `json:"damage"`
	MoreDamage int              `json:"damage_not_listed"`
	Losses     []salvageLoss    `json:"losses"`
	LeftOut    []salvageLeftOut `json:"left_out"`
}

type salvageLoss struct {
	salvageKeys
	First  uint64  `json:"first_sequence"`
	Last   *uint64 `json:"last_sequence"` // null if open
	File   string  `json:"file"`
	Offset int64   `json:"offset"`
	Length int64   `json:"length"`
	What   string  `json:"what"`
}

type salvageLeftOut struct {
	salvageKeys
	File    string `json:"file"`
	Entries uint64 `json:"entries"`
	Why     string `json:"why"`
}

// maxSequence is the greatest sequence number that there can be.
const maxSequence = 1<<56 - 1

func newSalvageResult(r *lightningdb.SalvageReport, took time.Duration) salvageResult {
	s := salvageResult{Files: r.Files, Bytes: r.Bytes, Tables: r.Tables, Segments: r.Segments, Manifest: r.Manifest,
		Keys: r.Keys, Older: r.Older, Operands: r.Operands, Sequence: r.LastSequence, Closed: r.Closed,
		Seconds: took.Seconds(), Damage: []damage{}, MoreDamage: r.MoreDamage, Losses: []salvageLoss{},
		LeftOut: []salvageLeftOut{}}
	for _, d := range r.Damage {
		s.Damage = append(s.Damage, damage{d.File, d.Offset, d.What})
	}
	for _, l := range r.Losses {
		loss := salvageLoss{newSalvageKeys(l.From, l.To), l.First, &l.Last, l.File, l.Offset, l.Length, l.What}
		if l.Last == maxSequence {
			loss.Last = nil
		}
		s.Losses = append(s.Losses, loss)
	}
	for _, l := range r.LeftOut {
		s.LeftOut = append(s.LeftOut, salvageLeftOut{newSalvageKeys(l.From, l.To), l.File, l.Entries, l.Why})
	}
	return s
}

// reportSalvage lists what is damaged and what may be missing as a result, and says on stderr what was done.
func (a *app) reportSalvage(r *lightningdb.SalvageReport, took time.Duration) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, newSalvageResult(r, took))
	}
	var lines []string
	for _, d := range r.Damage {
		lines = append(lines, d.Error())
	}
	if r.MoreDamage > 0 {
		lines = append(lines, fmt.Sprintf("and %s more", units.Plural(int64(r.MoreDamage), "damaged place")))
	}
	for _, l := range r.Losses {
		lines = append(lines, "may be missing: "+l.String())
	}
	for _, l := range r.LeftOut {
		keys := "" // of commits nobody knows which they are
		if l.Entries > 0 {
			keys = fmt.Sprintf(", %s from %.60q to %.60q", units.Plural(l.Entries, "entry"), l.From, l.To)
		}
		lines = append(lines, fmt.Sprintf("left out: %s%s: %s", l.File, keys, l.Why))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(a.Stdout, line); err != nil {
			return err
		}
	}
	if a.Quiet {
		return nil
	}
	text := fmt.Sprintf("salvaged %s from %s and %s (%s) in %s, up to commit %d", units.Plural(int64(r.Keys), "key"),
		units.Plural(int64(r.Tables), "table"), units.Plural(int64(r.Segments), "log segment"), units.Bytes(r.Bytes),
		units.Duration(took), r.LastSequence)
	if r.Older > 0 {
		text += fmt.Sprintf("; %s may have had a newer value", units.Plural(int64(min(r.Older, math.MaxInt64)), "key"))
	}
	if r.Operands > 0 {
		text += fmt.Sprintf("; %s left out, which stood upon what is lost", units.Plural(int64(r.Operands), "merge"))
	}
	if !r.Closed {
		text += "; no clean close is noted: commits behind that one, if there were any, are not known of"
	}
	_, err := fmt.Fprintln(a.Stderr, text)
	return err
}
