package cache

import (
	"bytes"
	"testing"

	"lightningdb/internal/system/epoch"
)

// resizableFrame is a page of memory, so that giving back a chunk shows.
const resizableFrame = 4096

// newResizable returns a cache of n frames that gives them back in chunks of 4.
func newResizable(t testing.TB, n int) (*Cache, *Pages, func(n int), *pattern) {
	d := epoch.NewDomain()
	c := New(int64(n)*resizableFrame, resizableFrame, d)
	c.withdrawn.chunkFrames = 4
	l := &pattern{table: 1, size: func(int) int { return resizableFrame }}
	p := c.NewPages(100, l)
	t.Cleanup(func() {
		p.Close()
		c.Close()
		d.Drain()
		if c.region != nil {
			t.Errorf("region still mapped after all was closed: %+v", c.Metrics())
		}
	})
	return c, p, func(n int) { get(t, d, p, l, n) }, l
}

// A cache that keeps what it was told to give up takes the process, with its memtables, beyond its limit.
func TestResize_boundsWhatIsUsed(t *testing.T) {
	c, _, read, l := newResizable(t, 32)
	for n := range 32 {
		read(n)
	}
	if !c.Resize(11 * resizableFrame) {
		t.Error("Resize has not given everything back although nobody holds a page")
	}
	if m := c.Metrics(); m.Frames != 8 || m.FramesInUse > 8 {
		t.Errorf("%d frames of %d in use, want at most 8 of 8", m.FramesInUse, m.Frames)
	}
	if above := c.region[8*resizableFrame:]; !raceDetector && bytes.Count(above, []byte{0}) < len(above) {
		t.Error("a page is still in memory that was given back")
	}
	for range 3 {
		for n := range 32 {
			read(n)
		}
	}
	if m := c.Metrics(); m.FramesInUse > 8 {
		t.Errorf("%d frames in use after further reads, want at most 8", m.FramesInUse)
	}
	c.Resize(1 << 40)
	const fit = 24 // and a few frames stay free
	for n := range fit {
		read(n)
	}
	before := l.calls.Load()
	for n := range fit {
		read(n)
	}
	if again := l.calls.Load() - before; again > 0 || c.Metrics().Frames != 32 {
		t.Errorf("%d of %d pages were not kept in a cache of %d frames, want all kept in 32", again, fit, c.Metrics().Frames)
	}
}

// An iterator would read a page of somebody else, or nonsense, if memory were given back under it.
func TestResize_waitsForPins(t *testing.T) {
	c, p, read, l := newResizable(t, 32)
	for n := range 32 {
		read(n)
	}
	pin, err := p.Pin(31)
	if err != nil {
		t.Fatal(err)
	}
	if c.Resize(0) {
		t.Error("Resize says that everything was given back while a page is pinned")
	}
	if m := c.Metrics(); m.FramesInUse != 1 || m.Frames != 0 {
		t.Errorf("%d frames of %d in use, want 1 of 0", m.FramesInUse, m.Frames)
	}
	if err := l.check(pin.Data(), 31); err != nil {
		t.Error(err)
	}
	read(5) // uncached
	pin.Unpin()
	if !c.Resize(0) || c.Metrics().FramesInUse != 0 {
		t.Errorf("%d frames in use after Unpin, want 0", c.Metrics().FramesInUse)
	}
}

// A pinned frame that comes back into the budget before it is unpinned would be used twice, or never again.
func TestResize_growsOverPinnedFrames(t *testing.T) {
	c, p, read, l := newResizable(t, 8)
	for n := range 8 {
		read(n)
	}
	pin, err := p.Pin(7)
	if err != nil {
		t.Fatal(err)
	}
	c.Resize(4 * resizableFrame)
	c.Resize(8 * resizableFrame)
	for n := range 40 {
		read(n)
	}
	if err := l.check(pin.Data(), 7); err != nil {
		t.Error(err)
	}
	pin.Unpin()
	for n := range 40 {
		read(n)
	}
	if m := c.Metrics(); m.FramesInUse > 8 || m.FramesPinned != 0 {
		t.Errorf("%+v, want at most 8 frames in use and none pinned", m)
	}
}
