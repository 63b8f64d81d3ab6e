package memtable

import (
	"bytes"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// script reads operations from fuzz input:
//
//	byte 0-99: put, 100-127: delete, with a user key of 1 + next byte % 20 bytes from the input, repeated if short
//	byte 128-: commit what was collected, then read and seek around the last user key
type script struct {
	input []byte
	last  []byte
}

func (s *script) next() (c byte) {
	if len(s.input) > 0 {
		c, s.input = s.input[0], s.input[1:]
	}
	return c
}

func (s *script) userKey() []byte {
	size := int(s.next() % 21)
	s.last = bytes.Clone(s.input[:min(size, len(s.input))])
	s.input = s.input[len(s.last):]
	for len(s.last) < size {
		s.last = append(s.last, byte(len(s.last)))
	}
	return s.last
}

// No sequence of commits may make the table lose or invent an entry.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x01\x03abcd\x02\x03abce\x80\x70\x03abcd\x81"))
	f.Add(bytes.Repeat([]byte("\x05\x00k\x90"), 100))
	table := newTable(f, 256<<10)
	f.Fuzz(func(t *testing.T, input []byte) {
		table.Reset()
		m, s, b, commits := &model{}, &script{input: input}, &batch.Batch{}, 0
		for len(s.input) > 0 && m.seq < 1000 && commits < 100 {
			switch c := s.next(); {
			case c < 100:
				b.Put(s.userKey(), input[:min(int(c), len(input))])
			case c < 128:
				b.Delete(s.userKey())
			default:
				if !table.Fits(b.Count(), len(b.Bytes())) {
					return
				}
				table.Apply(b, m.apply(b))
				b.Reset()
				commits++
				checkAround(t, table, m, s.last, m.seq*key.SeqNum(c-127)/128)
			}
		}
		if err := checkScans(table, m); err != nil {
			t.Fatal(err)
		}
	})
}

func checkAround(t *testing.T, table *Table, m *model, user []byte, seq key.SeqNum) {
	t.Helper()
	if err := checkGet(table, m, user, seq); err != nil {
		t.Fatal(err)
	}
	it, target := table.NewIterator(), key.SeekTo(user, seq)
	i := m.lowerBound(target)
	if err := checkAt(it, m, i, it.SeekGE(target)); err != nil {
		t.Fatal(err)
	}
	if err := checkAt(it, m, i-1, it.SeekLT(target)); err != nil {
		t.Fatal(err)
	}
	if it.Valid() {
		if err := checkAt(it, m, i, it.Next()); err != nil {
			t.Fatal(err)
		}
	}
}
