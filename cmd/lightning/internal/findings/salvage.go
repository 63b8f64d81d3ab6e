// Package findings is what verify and salvage have found, for people and in JSON.
package findings

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/units"
)

// Keys is a span of keys in JSON, both ends included; null where it is open.
type Keys struct {
	From     *string `json:"from"`
	To       *string `json:"to"`
	Encoding string  `json:"encoding,omitempty"` // "base64" if a key is no text
}

func newKeys(from, to []byte) Keys {
	k := Keys{}
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

// Salvage is the outcome of a salvage, in JSON.
type Salvage struct {
	Files      int       `json:"files"` // that were read
	Bytes      int64     `json:"bytes"` // in them
	Tables     int       `json:"tables"`
	Segments   int       `json:"log_segments"`
	Manifest   string    `json:"manifest"` // empty if none is whole
	Keys       uint64    `json:"keys"`     // written
	Older      uint64    `json:"older_keys"`
	Operands   uint64    `json:"merges_left_out"`
	Sequence   uint64    `json:"sequence"`
	Closed     bool      `json:"closed"`
	Seconds    float64   `json:"seconds"`
	Damage     []Damage  `json:"damage"`
	MoreDamage int       `json:"damage_not_listed"`
	Losses     []Loss    `json:"losses"`
	LeftOut    []LeftOut `json:"left_out"`
}

// Loss is what may be missing.
type Loss struct {
	Keys
	First  uint64  `json:"first_sequence"`
	Last   *uint64 `json:"last_sequence"` // null if open
	File   string  `json:"file"`
	Offset int64   `json:"offset"`
	Length int64   `json:"length"`
	What   string  `json:"what"`
}

// LeftOut is a source that is whole and was not used.
type LeftOut struct {
	Keys
	File    string `json:"file"`
	Entries uint64 `json:"entries"`
	Why     string `json:"why"`
}

// maxSequence is the greatest sequence number that there can be.
const maxSequence = 1<<56 - 1

// OfSalvage is the outcome r.
func OfSalvage(r *lightningdb.SalvageReport, took time.Duration) Salvage {
	s := Salvage{Files: r.Files, Bytes: r.Bytes, Tables: r.Tables, Segments: r.Segments, Manifest: r.Manifest,
		Keys: r.Keys, Older: r.Older, Operands: r.Operands, Sequence: r.LastSequence, Closed: r.Closed,
		Seconds: took.Seconds(), Damage: []Damage{}, MoreDamage: r.MoreDamage, Losses: []Loss{},
		LeftOut: []LeftOut{}}
	for _, d := range r.Damage {
		s.Damage = append(s.Damage, Damage{d.File, d.Offset, d.What})
	}
	for _, l := range r.Losses {
		loss := Loss{newKeys(l.From, l.To), l.First, &l.Last, l.File, l.Offset, l.Length, l.What}
		if l.Last == maxSequence {
			loss.Last = nil
		}
		s.Losses = append(s.Losses, loss)
	}
	for _, l := range r.LeftOut {
		s.LeftOut = append(s.LeftOut, LeftOut{newKeys(l.From, l.To), l.File, l.Entries, l.Why})
	}
	return s
}

// SalvageLines lists what is damaged and what may be missing.
func SalvageLines(r *lightningdb.SalvageReport) (lines []string) {
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
	return lines
}

// SalvageSummary says what was done, in a sentence.
func SalvageSummary(r *lightningdb.SalvageReport, took time.Duration) string {
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
	return text
}

// Incomplete is the error of a salvage that could not get everything.
func Incomplete(r *lightningdb.SalvageReport, to string) error {
	if len(r.Losses) == 0 && len(r.LeftOut) == 0 {
		return nil
	}
	text := fmt.Sprintf("salvage: %s written, and in %s entries may be missing", units.Plural(int64(r.Keys), "key"),
		units.Plural(int64(len(r.Losses)+len(r.LeftOut)), "place"))
	return console.Advise(Corrupt(text),
		to+" is a database: compare what is listed with an earlier copy or export")
}
