package scrub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
)

// disk is tables of a test, and a clock that moves when the scrub sleeps.
type disk struct {
	t       *testing.T
	tables  []Table
	gone    map[filename.Num]bool
	damaged map[filename.Num]error
	read    []filename.Num  // in this order
	at      []time.Duration // when
	elapsed time.Duration
	changed int
	first   uint64
	told    []string
	end     time.Duration // when the database closes
	cancel  func()
}

const chunk = 1000 // bytes of a read

func (d *disk) Tables() []Table { return slices.Clone(d.tables) }

func (d *disk) Verify(ctx context.Context, num filename.Num, pace func(bytes int) error) (bool, error) {
	if d.gone[num] {
		return false, errors.New("nothing is to be made of this")
	}
	i := slices.IndexFunc(d.tables, func(t Table) bool { return t.Num == num })
	d.read, d.at = append(d.read, num), append(d.at, d.elapsed)
	for left := d.tables[i].Bytes; left > 0; left -= chunk {
		if err := pace(int(min(left, chunk))); err != nil {
			return true, err
		}
	}
	return true, d.damaged[num]
}

func (d *disk) sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		d.t.Errorf("it sleeps for %v", wait)
	}
	d.elapsed += wait
	if d.elapsed >= d.end {
		d.cancel()
	}
	return ctx.Err()
}

// run scrubs until end, at a thousand bytes a second.
func (d *disk) run(t *testing.T, end time.Duration) *Scrub {
	t.Helper()
	d.t, d.end = t, end
	ctx, cancel := context.WithCancel(t.Context())
	d.cancel = cancel
	s := New(Options{
		Env: d, Rate: chunk, Clock: func() time.Duration { return d.elapsed },
		Wall: func() time.Time { return time.Unix(0, 0).Add(d.elapsed) }, Random: func() uint64 { return d.first },
		Damaged: func(file string, err error) { d.told = append(d.told, fmt.Sprint(file, ": ", err)) },
		Changed: func() { d.changed++ }, Sleep: d.sleep,
	})
	s.Run(ctx)
	return s
}

// Reading as fast as the medium can would take it from the program.
func TestRun_readsEachTableOncePerPassWithinTheRate(t *testing.T) {
	d := &disk{tables: []Table{{1, 10 * chunk}, {2, 20 * chunk}, {3, 30 * chunk}}, first: 4}
	s := d.run(t, Interval+time.Hour)
	if want := []filename.Num{2, 3, 1, 2, 3, 1}; !slices.Equal(d.read, want) {
		t.Fatalf("read were %d, want %d: from a random one on, all, and again after a day", d.read, want)
	}
	for i, want := range []time.Duration{0, 20 * time.Second, 50 * time.Second, Interval} {
		if got := d.at[i]; got < want-time.Second || got > want+time.Second {
			t.Errorf("table %d was begun at %v, want about %v", d.read[i], got, want)
		}
	}
	if got := s.State(); got.Passes != 2 || got.Done != 60*chunk || got.Total != 60*chunk || got.Damaged != 0 {
		t.Errorf("state %+v", got)
	}
	if d.changed != 2 || len(d.told) != 0 {
		t.Errorf("told of %d changes, want that of two passes; logged %q", d.changed, d.told)
	}
}

// An operator would be called every day for the same table, or not at all for the second one.
func TestRun_tellsOfEachDamagedTableOnce(t *testing.T) {
	d := &disk{damaged: map[filename.Num]error{}}
	for n := range filename.Num(2 * shown) {
		d.tables = append(d.tables, Table{n, chunk})
		if n%2 == 0 {
			d.damaged[n] = fmt.Errorf("page %d is damaged", n)
		}
	}
	d.tables = append(d.tables, Table{100, chunk}, Table{101, chunk})
	d.damaged[100], d.damaged[101] = errors.New("damaged too"), errors.New("damaged as well")
	s := d.run(t, 2*Interval)
	got := s.State()
	if got.Passes != 2 || got.Damaged != shown+2 || len(got.Found) != shown || len(d.told) != shown+2 {
		t.Fatalf("found %+v, logged %q", got, d.told)
	}
	for i, f := range got.Found {
		num := filename.Num(2 * i)
		want := fmt.Sprintf("page %d is damaged", num)
		if f.Damage != want || f.File != filename.Make(filename.Table, num) || f.At.IsZero() {
			t.Errorf("found %+v, want %s", f, want)
		}
	}
	got.Found[0].Damage = "mine"
	if s.State().Found[0].Damage == "mine" {
		t.Error("a caller has the scrub's own list")
	}
}

// A compaction that removes a table would look like damage.
func TestRun_passesOverTablesThatAreGone(t *testing.T) {
	d := &disk{tables: []Table{{1, chunk}, {2, chunk}, {3, chunk}}, gone: map[filename.Num]bool{2: true}}
	s := d.run(t, Interval/2)
	if got := s.State(); got.Damaged != 0 || got.Passes != 1 || got.Done != got.Total {
		t.Errorf("state %+v", got)
	}
}

// A pass that takes longer than a day would be followed by a day of nothing.
func TestRun_goesOnAtOnceAfterALongPass(t *testing.T) {
	d := &disk{tables: []Table{{1, chunk * int64(Interval/time.Second) * 3 / 2}}}
	d.run(t, 4*Interval)
	if len(d.at) != 3 || d.at[1] > 3*Interval/2+time.Minute {
		t.Errorf("passes began at %v", d.at)
	}
}

// Close would wait for a day, or for a table of gigabytes at a small rate.
func TestRun_endsInTheMiddleOfATable(t *testing.T) {
	d := &disk{tables: []Table{{1, 1 << 40}}, damaged: map[filename.Num]error{1: errors.New("never seen")}}
	s := d.run(t, time.Minute)
	got := s.State()
	if got.Passes != 0 || got.Damaged != 0 || d.elapsed > time.Minute+time.Second {
		t.Errorf("state %+v after %v", got, d.elapsed)
	}
	if got.Done < 60*chunk || got.Done > 62*chunk {
		t.Errorf("a minute of a large table looks like %d bytes", got.Done)
	}
	var none *Scrub
	if got := none.State(); got.Total != 0 {
		t.Errorf("no scrub has done %+v", got)
	}
}

// A database that is still empty would be looked at without a pause.
func TestRun_withoutTablesWaitsForADay(t *testing.T) {
	d := &disk{}
	if got := d.run(t, Interval+time.Hour).State(); got.Passes != 2 {
		t.Errorf("state %+v", got)
	}
}

// A value file to which many tables refer would be told of once for each, under their names, and the one that is to be
// replaced would not be among them.
func TestRun_tellsOfAValueFileByItsName(t *testing.T) {
	bad := corrupt.New("000009.tbl", 0, "checksum mismatch in extent 0")
	own := corrupt.New("000002.tbl", 7, "checksum mismatch in leaf page 0")
	d := &disk{tables: []Table{{1, chunk}, {2, chunk}, {3, chunk}}, damaged: map[filename.Num]error{
		1: fmt.Errorf("wrapped: %w", bad), 2: errors.Join(own, bad), 3: bad}}
	s := d.run(t, time.Hour).State()
	if s.Damaged != 2 || len(s.Found) != 2 || s.Found[0].File != "000009.tbl" || s.Found[1].File != "000002.tbl" {
		t.Errorf("%+v", s)
	}
	if strings.Contains(s.Found[1].Damage, "extent") {
		t.Errorf("%q", s.Found[1].Damage)
	}
}
