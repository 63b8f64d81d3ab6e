// Package series keeps measurements of many series, and what they were in each minute and hour.
//
//	db, err := lightningdb.Open("data", series.Options())
//	var b lightningdb.Batch
//	err = series.Add(&b, "temperature", time.Now(), 21)
//	err = db.Write(&b)
//	hours, err := series.Read(ctx, db, series.Hour, "temperature", monday, tuesday)
//	err = series.Expire(db, series.Point, time.Now().AddDate(0, 0, -7))
//
// # Why it is correct
//
// A measurement is three merges: into the point of its time, into its minute and into its hour. A merge reads
// nothing, so measurements never conflict, also where they are of the same hour. The three are one batch, so after a
// kill they are all there or none is, and minutes and hours are the sums of their points. A Write that ended with an
// error before it could tell (ErrCommitUnknown) must not be repeated blindly: the measurement might count twice.
//
// Sums are of integers, for which it does not matter what is added to what first. The database needs that: it merges
// when it likes, and by PartialMerge two arguments before it knows what they are added to. Floats would not do.
//
// # What it costs
//
// Add writes three keys and reads none; a batch of a thousand measurements is one commit. Keys begin with the
// resolution and the day, so Expire is one write, however much it removes. Read seeks once for each day, and then
// reads what it returns.
package series

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

// ErrSummary: what is stored is no Summary. Something else has written there.
var ErrSummary = errors.New("not a summary of measurements")

// Resolution is how long the time is of which one Summary is.
type Resolution time.Duration

// The resolutions that there are.
const (
	Point  = Resolution(1) // each measurement by itself, but for those of the same nanosecond
	Minute = Resolution(time.Minute)
	Hour   = Resolution(time.Hour)
)

const day = 24 * time.Hour // the measurements of one are next to each other, and expire together

// Summary is what was measured in some time. Sum wraps around as int64 does.
type Summary struct{ Count, Sum, Min, Max int64 }

// Bucket is the Summary of the time that begins at Start.
type Bucket struct {
	Start time.Time
	Summary
}

// Options returns the options that a database with series is opened with. The program may set others.
func Options() *lightningdb.Options {
	return &lightningdb.Options{
		Merge: func(_, old, argument []byte) ([]byte, error) {
			if old == nil {
				return argument, nil // what is no Summary is found when it is read
			}
			return merge(old, argument)
		},
		PartialMerge: func(_, older, newer []byte) ([]byte, bool) {
			both, err := merge(older, newer)
			return both, err == nil
		},
	}
}

// Add adds a measurement to a batch, in which others may be as well.
func Add(b *lightningdb.Batch, name string, at time.Time, value int64) error {
	one := Summary{Count: 1, Sum: value, Min: value, Max: value}.encode()
	for _, r := range []Resolution{Point, Minute, Hour} {
		if err := b.Merge(key(r, name, at), one); err != nil {
			return err
		}
	}
	return nil
}

// Read returns the buckets of a series that begin at from or later, and before to: those in which nothing was
// measured are not among them. It reads one state.
func Read(ctx context.Context, db kv.Transactor, r Resolution, name string, from, to time.Time) ([]Bucket, error) {
	var buckets []Bucket
	err := db.View(ctx, func(tx *lightningdb.Tx) error {
		for d := from.Truncate(day); d.Before(to); d = d.Add(day) {
			lo, hi := tuple.Prefix(tuple.AppendString(dayKey(r, d), name))
			if d.Before(from) {
				lo = tuple.AppendTime(tuple.AppendString(dayKey(r, d), name), from)
			}
			if to.Before(d.Add(day)) {
				hi = tuple.AppendTime(tuple.AppendString(dayKey(r, d), name), to)
			}
			found := tx.Range(lo, hi)
			for k, v := range found.All() {
				b, err := decode(k, v)
				if err != nil {
					return err
				}
				buckets = append(buckets, b)
			}
			if err := errors.Join(found.Err(), ctx.Err()); err != nil {
				return err
			}
		}
		return nil
	})
	return buckets, err
}

// Expire removes the buckets of a resolution, of all series, of the days that have ended before a time.
func Expire(w kv.Writer, r Resolution, before time.Time) error {
	lo, _ := tuple.Prefix(tuple.AppendInt(tuple.AppendString(nil, "series"), int64(r)))
	return w.DeleteRange(lo, dayKey(r, before))
}

// dayKey is what the keys of a resolution and a day begin with.
func dayKey(r Resolution, at time.Time) []byte {
	k := tuple.AppendInt(tuple.AppendString(nil, "series"), int64(r))
	return tuple.AppendTime(k, at.Truncate(day))
}

// key is the key of the bucket in which a measurement is.
func key(r Resolution, name string, at time.Time) []byte {
	return tuple.AppendTime(tuple.AppendString(dayKey(r, at), name), at.Truncate(time.Duration(r)))
}

// decode reads a bucket.
func decode(key, value []byte) (b Bucket, err error) {
	r := tuple.NewReader(key)
	for range 4 { // "series", resolution, day and name
		r.Skip()
	}
	b.Start = r.Time()
	if err := r.End(); err != nil {
		return Bucket{}, err
	}
	if _, err := binary.Decode(value, binary.BigEndian, &b.Summary); err != nil || len(value) != size {
		return Bucket{}, ErrSummary
	}
	return b, nil
}

const size = 4 * 8 // of an encoded Summary, in bytes

// merge returns the encoded Summary of what older and newer are summaries of.
func merge(older, newer []byte) ([]byte, error) {
	if len(older) != size || len(newer) != size {
		return nil, ErrSummary
	}
	var a, b Summary
	binary.Decode(older, binary.BigEndian, &a) // the length is right, so it cannot fail
	binary.Decode(newer, binary.BigEndian, &b)
	return Summary{a.Count + b.Count, a.Sum + b.Sum, min(a.Min, b.Min), max(a.Max, b.Max)}.encode(), nil
}

func (s Summary) encode() []byte {
	encoded, _ := binary.Append(nil, binary.BigEndian, s) // integers alone, so it cannot fail
	return encoded
}
