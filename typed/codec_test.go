package typed

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb/tuple"
)

// message is a type with the methods of generated code.
type message struct{ text string }

func (m *message) Marshal() ([]byte, error) { return []byte("m" + m.text), nil }

func (m *message) Unmarshal(raw []byte) error {
	if len(raw) == 0 || raw[0] != 'm' {
		return errors.New("no message")
	}
	m.text = string(raw[1:])
	return nil
}

// record is a row of several fields.
type record struct {
	Name  string
	Tags  []string
	Blob  []byte
	Count map[string]int64
	At    time.Time
}

// drawRecord draws what JSON and gob keep: text that is UTF-8, and no empty slices.
var drawRecord = rapid.Custom(func(t *rapid.T) record {
	r := record{Name: drawString.Draw(t, "name"), At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 5).UTC()}
	if tags := rapid.SliceOfN(drawString, 0, 3).Draw(t, "tags"); len(tags) > 0 {
		r.Tags = tags
	}
	if blob := drawBytes.Draw(t, "blob"); len(blob) > 0 {
		r.Blob = blob
	}
	if n := drawInt.Draw(t, "count"); n != 0 {
		r.Count = map[string]int64{"n": n}
	}
	return r
})

// comesBack returns a check that what c writes is read as what it was, behind whatever stood there, and has nothing of
// the bytes that it was read from.
func comesBack[V any](c Codec[V], draw *rapid.Generator[V]) func(t *rapid.T) {
	return func(t *rapid.T) {
		v, before := draw.Draw(t, "value"), drawBytes.Draw(t, "before")
		dst := append(make([]byte, 0, rapid.SampledFrom([]int{len(before), 1000}).Draw(t, "room")), before...)
		all, err := c.Append(dst, v)
		raw, ok := bytes.CutPrefix(all, before)
		if err != nil || !ok {
			t.Fatalf("%v behind %x: %x, %v", v, before, all, err)
		}
		got, err := c.Decode(raw)
		for i := range raw {
			raw[i] = 0x55
		}
		if !reflect.DeepEqual(got, v) || err != nil {
			t.Fatalf("%#v, %v, want %#v", got, err, v)
		}
	}
}

// A value would come back as another one, or change when the next row is read.
func TestCodec_valuesComeBack(t *testing.T) {
	draw := rapid.Map(rapid.Byte(), func(b byte) netip.Addr { return netip.AddrFrom4([4]byte{b, 1, 2, 3}) })
	messages := rapid.Map(drawString, func(s string) *message { return &message{s} })
	numbers := rapid.Map(drawInt, func(n int64) float64 { return float64(n) })
	for name, check := range map[string]func(t *rapid.T){
		"bytes":   comesBack(Bytes, drawBytes),
		"string":  comesBack(String, rapid.Map(drawBytes, func(b []byte) string { return string(b) })),
		"int":     comesBack(Int, drawInt),
		"uint":    comesBack(Uint, drawUint),
		"json":    comesBack(JSON[record](), drawRecord),
		"gob":     comesBack(Gob[record](), drawRecord),
		"binary":  comesBack(Binary[netip.Addr](), draw),
		"proto":   comesBack(Proto[message](), messages),
		"float":   comesBack(Tuple(tuple.Float64), numbers),
		"pair":    comesBack(Tuple(tuple.Pair(tuple.String, tuple.Int)), drawPair(drawString, drawInt)),
		"raw":     comesBack(JSON[json.RawMessage](), rapid.Just(json.RawMessage(`{"a":[1]}`))),
		"pointer": comesBack(JSON[*record](), rapid.Map(drawRecord, func(r record) *record { return &r })),
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, check) })
	}
}

// Bytes of another codec, or with something behind them, would be read as some value.
func TestCodec_refusesWhatItDidNotWrite(t *testing.T) {
	decode := func(c interface{ check(raw string) error }, raws ...string) {
		t.Helper()
		for _, raw := range raws {
			if c.check(raw) == nil {
				t.Errorf("%T reads %q", c, raw)
			}
		}
	}
	gobbed, err := Gob[int]().Append(nil, 7)
	if err != nil {
		t.Fatal(err)
	}
	decode(checked[int64]{Int}, "", "\x00", "1234567", "123456789")
	decode(checked[uint64]{Uint}, "", "\x00", "1234567", "123456789")
	decode(checked[record]{JSON[record]()}, "", "{", "{}{}", "{} x", "\xc1\x00{}", `{"Name":7}`)
	whole := string(gobbed)
	decode(checked[int]{Gob[int]()}, "", whole[:len(whole)-1], whole+"x", whole+whole, "{}")
	decode(checked[netip.Addr]{Binary[netip.Addr]()}, "x", "12345")
	decode(checked[*message]{Proto[message]()}, "", "x")
	decode(checked[float64]{Tuple(tuple.Float64)}, "", "\x14", "\x21", "\x21\x80\x00\x00\x00\x00\x00\x00\x00\x14")
}

type checked[V any] struct{ Codec[V] }

func (c checked[V]) check(raw string) error {
	_, err := c.Decode([]byte(raw))
	return err
}

// What cannot be written would be stored as something else.
func TestCodec_refusesWhatItCannotWrite(t *testing.T) {
	_, number := JSON[float64]().Append(nil, math.NaN())
	_, function := Gob[func()]().Append(nil, nil)
	_, none := Proto[message]().Append(nil, nil)
	_, year := Binary[time.Time]().Append(nil, time.Unix(0, 0).In(time.FixedZone("", 1<<30)))
	_, text := Tuple(tuple.String).Append(nil, "\xff")
	for name, err := range map[string]error{"NaN as JSON": number, "a function as gob": function, "no message": none,
		"a time of no zone": year, "a text that is not UTF-8": text} {
		if err == nil {
			t.Errorf("%s is written", name)
		}
	}
}
