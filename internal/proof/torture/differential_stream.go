package torture

import (
	"errors"
	"slices"

	"lightningdb/internal/engine"
)

// stream puts a value from a source, or does something with a value that is read piece by piece.
func (d *differential) stream() error {
	switch n := d.r.IntN(4); {
	case n == 0 || d.film == nil:
		return d.putStream()
	case n == 1 && len(d.views) < maxHeldValues:
		return d.holdValue()
	case len(d.views) == 0:
		return nil
	case n == 2:
		d.tally.Streams.Viewed++
		return d.views[d.r.IntN(len(d.views))].look(d.r)
	}
	i := d.r.IntN(len(d.views))
	v := d.views[i]
	d.views = slices.Delete(d.views, i, i+1)
	d.tally.Streams.Viewed++
	return errors.Join(v.all(), v.value.Close())
}

// putStream puts a value from a source that may break, while others commit, flush and compact between its reads.
func (d *differential) putStream() error {
	k := d.mix.key(d.r)
	for isCounter(k) {
		k = d.mix.key(d.r)
	}
	from := drawSource(d.r)
	d.note("stream %d bytes, which break at %d", len(from.value), from.breaks)
	from.meanwhile = func() error {
		if d.r.IntN(8) > 0 {
			return nil
		}
		return d.meanwhile()
	}
	if err := d.PutReader(k, from, d.r.Float64() < d.mix.Sync); err != nil {
		return err
	}
	if from.breaks < 0 {
		d.film = k
		d.tally.Streams.Put++
		d.tally.Commits++
		return d.GetAt(k, nil, d.History.Last())
	}
	d.tally.Streams.Broken++
	if d.mix.Options.Manual && len(d.snapshots)+len(d.walks)+len(d.views) == 0 {
		return noLeftovers(d.Session)
	}
	return nil
}

// meanwhile is what others do while a source is read.
func (d *differential) meanwhile() (err error) {
	switch d.r.IntN(5) {
	case 0:
		return d.Flush()
	case 1:
		_, err = d.Engine.CompactStep()
	case 2:
		_, err = d.Engine.CleanStep()
	default:
		return d.commit()
	}
	return err
}

// holdValue opens the value that was streamed last, or what has taken its place, to be read later.
func (d *differential) holdValue() error {
	s, at := d.anySnapshot(), d.History.Last()
	if s != nil {
		at = s.Seq()
	}
	v, err := d.view(d.film, s, at)
	if err == nil && v != nil {
		d.views = append(d.views, v)
	}
	return err
}

// closeViewsOf closes what reads at s, which is about to be closed.
func (d *differential) closeViewsOf(s *engine.Snapshot) {
	d.views = slices.DeleteFunc(d.views, func(v *viewing) bool {
		if v.at == s {
			v.value.Close()
		}
		return v.at == s
	})
}
