package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

var all = []ID{None, S2, Zstd}

// A codec that does not give back what it was given loses every page written with it.
func TestDecode_invertsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom(all).Draw(t, "codec")
		piece := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "piece")
		src := bytes.Repeat(piece, rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "times"))
		if rapid.IntRange(0, 3).Draw(t, "noise") == 0 { // which no codec makes shorter
			noise := make([]byte, rapid.SampledFrom([]int{1, 512, 8 << 10, 100_000}).Draw(t, "size"))
			rand.NewChaCha8([32]byte{rapid.Byte().Draw(t, "which")}).Read(noise)
			src = append(src, noise...)
		}
		encoded := By(id).Encode(make([]byte, rapid.IntRange(0, 100).Draw(t, "room")), src)
		got, err := Decode(id, make([]byte, 0, rapid.IntRange(0, 1000).Draw(t, "room")), encoded, len(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("%v: %d bytes, %v; want %d", id, len(got), err, len(src))
		}
	})
}

// Frames are larger than their pages' content: what lies behind the raw size belongs to others.
func TestDecode_writesOnlyWhatIsItsOwn(t *testing.T) {
	src := bytes.Repeat([]byte("lightning "), 100)
	for _, id := range all {
		frame := bytes.Repeat([]byte{0xee}, 4096)
		got, err := Decode(id, frame[:0], By(id).Encode(nil, src), len(src))
		if err != nil || &got[0] != &frame[0] || !bytes.Equal(got, src) {
			t.Errorf("%v: not decoded in place: %v", id, err)
		}
		if !bytes.Equal(frame[len(src):], bytes.Repeat([]byte{0xee}, 4096-len(src))) {
			t.Errorf("%v: wrote behind the raw size", id)
		}
	}
}

// The stated raw size is the only thing that bounds memory: a block that has another one is refused.
func TestDecode_refusesOtherSizes(t *testing.T) {
	src := bytes.Repeat([]byte("ab"), 500)
	for _, id := range all {
		encoded := By(id).Encode(nil, src)
		for _, size := range []int{0, 1, 999, 1001, 1 << 20} {
			if _, err := Decode(id, nil, encoded, size); err == nil {
				t.Errorf("%v: 1000 bytes decoded as %d", id, size)
			}
		}
		if _, err := Decode(id, nil, nil, 10); err == nil {
			t.Errorf("%v: nothing decoded as 10 bytes", id)
		}
	}
	if _, err := Decode(77, nil, src, len(src)); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown codec: %v", err)
	}
}

// A few bytes that decode to gigabytes must cost no more memory than the raw size the caller has allowed.
func TestDecode_bombsCostNothing(t *testing.T) {
	zeros := make([]byte, 32<<20)
	stream, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	var unsized bytes.Buffer // a frame that does not say its size
	stream.Reset(&unsized)
	stream.Write(zeros)
	stream.Write(zeros)
	stream.Close()
	bombs := map[string]struct {
		id  ID
		src []byte
	}{
		"s2 says 4 GiB": {S2, append(binary.AppendUvarint(nil, 1<<32-1), 0)},
		"s2":            {S2, By(S2).Encode(nil, zeros)},
		"zstd":          {Zstd, By(Zstd).Encode(nil, zeros)},
		"zstd, unsized": {Zstd, unsized.Bytes()},
		"zstd says 2^60": {Zstd, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0},
			0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0)},
		"zstd, window 64 MiB": {Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x80, 1, 0, 0}},
	}
	for name, bomb := range bombs {
		var before, after runtime.MemStats
		dst := make([]byte, 0, 8<<10)
		Decode(bomb.id, dst, bomb.src, 8<<10) // lets the pool make its decoder
		runtime.ReadMemStats(&before)
		_, err := Decode(bomb.id, dst, bomb.src, 8<<10)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: decoded", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: allocated %d bytes", name, used)
		}
	}
}

// FuzzDecode gives every codec any bytes: the result has the stated size, or there is an error.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, id uint8, src []byte, rawSize uint16) {
		got, err := Decode(ID(id), nil, src, int(rawSize))
		if err == nil && len(got) != int(rawSize) {
			t.Fatalf("%v: %d bytes, stated %d", ID(id), len(got), rawSize)
		}
	})
}
