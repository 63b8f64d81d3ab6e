package findings

import (
	"fmt"
	"slices"
	"strings"

	"lightningdb"
)

// Damage is one damaged place.
type Damage struct {
	File   string `json:"file"`   // in the database directory; empty if it is not of one file
	Offset int64  `json:"offset"` // in bytes; -1 if not known
	What   string `json:"what"`
}

// In lists what err says of damage, wherever it is joined or wrapped. whole is true if it says nothing else.
func In(err error) (all []Damage, whole bool) {
	switch e := err.(type) {
	case *lightningdb.CorruptionError:
		return []Damage{{e.File, e.Offset, e.What}}, true
	case interface{ Unwrap() []error }:
		whole = true
		for _, inner := range e.Unwrap() {
			more, only := In(inner)
			all, whole = append(all, more...), whole && only
		}
		return all, whole
	case interface{ Unwrap() error }:
		return In(e.Unwrap())
	}
	return nil, false
}

// Summary puts err into one line. It is short even if there are many damages: they are listed separately.
func Summary(err error) error {
	all, whole := In(err)
	if len(all) < 2 || !whole {
		return err
	}
	var files []string
	for _, d := range all {
		if !slices.Contains(files, d.File) {
			files = append(files, d.File)
		}
	}
	const most = 3 // names in the line
	text := strings.Join(files[:min(len(files), most)], ", ")
	if len(files) > most {
		text += fmt.Sprintf(" and %d more", len(files)-most)
	}
	return &many{err, fmt.Sprintf("%d damages, in %s", len(all), text)}
}

// Corrupt is an error of that text that matches lightningdb.ErrCorrupt.
func Corrupt(text string) error { return &many{fmt.Errorf("%w", lightningdb.ErrCorrupt), text} }

// many is an error with another text.
type many struct {
	error
	text string
}

func (m *many) Error() string { return m.text }

func (m *many) Unwrap() error { return m.error }
