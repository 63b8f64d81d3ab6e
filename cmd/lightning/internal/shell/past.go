package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"lightningdb"
	"lightningdb/cmd/internal/jsonline"
)

// errPast refuses what needs the newest state.
var errPast = errors.New("this is the past, which cannot be changed: `at now` first")

// now names the newest state.
const now = "now"

// snapshot is a state of the database with a name.
type snapshot struct {
	name  string
	state *lightningdb.Snapshot
}

func (s *Shell) snapshot(ctx context.Context, args []string, _ options) error {
	name := s.freeName()
	if len(args) == 1 {
		name = args[0]
	}
	_, err := strconv.ParseUint(name, 10, 64)
	switch {
	case err == nil, name == now, name == "":
		return fmt.Errorf("snapshot: %s is no name, `at` would take it for something else", word(name))
	case s.indexOf(name) >= 0:
		return fmt.Errorf("snapshot: there is one named %s; release it first", word(name))
	case s.tx != nil || s.past != nil:
		return errors.New("snapshot: keeps the newest state: leave the transaction or the past first")
	}
	state, err := s.newest(ctx)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.snapshots = append(s.snapshots, snapshot{name, state})
	return s.note("snapshot %s is at sequence number %d", word(name), state.Sequence())
}

// freeName is the first of s1, s2, … that no snapshot has.
func (s *Shell) freeName() string {
	for n := 1; ; n++ { // ends: there are finitely many snapshots
		if name := fmt.Sprintf("s%d", n); s.indexOf(name) < 0 {
			return name
		}
	}
}

func (s *Shell) indexOf(name string) int {
	return slices.IndexFunc(s.snapshots, func(kept snapshot) bool { return kept.name == name })
}

func (s *Shell) listSnapshots(_ context.Context, _ []string, o options) error {
	for _, kept := range s.snapshots {
		if !o.json {
			fmt.Fprintf(s.out, "%s\t%d\n", word(kept.name), kept.state.Sequence())
			continue
		}
		line := struct {
			Name     string `json:"name"`
			Sequence uint64 `json:"sequence"`
		}{kept.name, kept.state.Sequence()}
		if err := jsonline.Write(s.out, line); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shell) release(_ context.Context, args []string, _ options) error {
	i := s.indexOf(args[0])
	switch {
	case i < 0:
		return fmt.Errorf("release: there is no snapshot %s; see snapshots", word(args[0]))
	case s.past == s.snapshots[i].state:
		return fmt.Errorf("release: reads look at %s: `at now` first", word(args[0]))
	}
	err := s.snapshots[i].state.Close()
	s.snapshots = slices.Delete(s.snapshots, i, i+1)
	return err
}

// at moves reads to another state.
func (s *Shell) at(_ context.Context, args []string, _ options) error {
	if s.tx != nil {
		return errTxOpen
	}
	if args[0] == now {
		s.leavePast()
		return nil
	}
	if i := s.indexOf(args[0]); i >= 0 {
		s.leavePast()
		s.past = s.snapshots[i].state
		return nil
	}
	sequence, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("at: %s is neither a sequence number nor a snapshot; see snapshots", word(args[0]))
	}
	past, err := s.DB.At(sequence)
	switch {
	case errors.Is(err, lightningdb.ErrSnapshotExpired):
		return fmt.Errorf("at %d: %w; keep a snapshot before you change something, or start with --retain", sequence, err)
	case err != nil:
		return fmt.Errorf("at %d: %w", sequence, err)
	}
	s.leavePast()
	s.past, s.pastOwned = past, true
	return nil
}

// leavePast lets reads look at the newest state.
func (s *Shell) leavePast() {
	if s.pastOwned {
		_ = s.past.Close()
	}
	s.past, s.pastOwned = nil, false
}
