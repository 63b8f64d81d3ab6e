package operand

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"pgregory.net/rapid"
)

func integer(o Operator, n int64) []byte { return AppendInt64([]byte{byte(o)}, n) }

func text(o Operator, s string) []byte { return append([]byte{byte(o)}, s...) }

// joining is a user's function that is not associative, so that a wrong grouping or order shows. It fails at an
// argument of one zero byte.
func joining(_, old, argument []byte) ([]byte, error) {
	if string(argument) == "\x00" {
		return nil, errors.New("a bad argument")
	}
	if old == nil {
		return fmt.Appendf(nil, "<%s>", argument), nil
	}
	return fmt.Appendf(nil, "(%s|%s)", old, argument), nil
}

// A counter that counts from something else than what is there, or from 0, is wrong for ever.
func TestFold_computesWhatTheOperatorSays(t *testing.T) {
	n := func(n int64) string { return string(AppendInt64(nil, n)) }
	const absent = "absent"
	for _, c := range []struct {
		old     string
		operand []byte
		want    string
	}{
		{absent, integer(Add, -7), n(-7)},
		{n(5), integer(Add, -7), n(-2)},
		{n(math.MaxInt64), integer(Add, 2), n(math.MinInt64 + 1)},
		{absent, integer(Max, -7), n(-7)},
		{n(-9), integer(Max, -7), n(-7)},
		{n(3), integer(Max, -7), n(3)},
		{absent, integer(Min, 7), n(7)},
		{n(9), integer(Min, 7), n(7)},
		{n(-3), integer(Min, 7), n(-3)},
		{absent, text(Append, "b"), "b"},
		{"", text(Append, "b"), "b"},
		{"a", text(Append, ""), "a"},
		{"a", text(Append, "b"), "ab"},
		{absent, text(User, "b"), "<b>"},
		{"", text(User, "b"), "(|b)"},
		{"a", text(User, "b"), "(a|b)"},
	} {
		value, present := []byte(c.old), c.old != absent
		got, err := Rules{User: joining}.Fold([]byte("k"), value, present, c.operand)
		if err != nil || string(got) != c.want {
			t.Errorf("%v %q on %q = %q, %v; want %q", Operator(c.operand[0]), c.operand[1:], c.old, got, err, c.want)
		}
	}
}

// A nil value that is there must not look absent to the user's function.
func TestFold_tellsEmptyFromAbsent(t *testing.T) {
	got, err := Rules{User: joining}.Fold([]byte("k"), nil, true, text(User, "b"))
	if err != nil || string(got) != "(|b)" {
		t.Errorf("on an empty value: %q, %v", got, err)
	}
}

// A function that ends its goroutine would end the one that carries everybody's commits, or flushes.
func TestApart_theEndOfTheGoroutineIsAnError(t *testing.T) {
	rules := Rules{User: func(_, _, argument []byte) ([]byte, error) {
		if string(argument) == "end" {
			runtime.Goexit()
		}
		return argument, nil
	}}.Apart()
	for _, argument := range []string{"end", "go on"} {
		var c Chain
		if err := errors.Join(c.Push(2, text(User, argument)), c.Push(1, text(Append, "x"))); err != nil {
			t.Fatal(err)
		}
		one, oneErr := rules.Fold([]byte("k"), nil, false, text(User, argument))
		all, allErr := c.Fold(rules, []byte("k"), nil, false)
		for _, got := range []struct {
			value []byte
			err   error
		}{{one, oneErr}, {all, allErr}} {
			if argument == "end" {
				if !errors.Is(got.err, ErrMerge) || !strings.Contains(got.err.Error(), "ended its goroutine") {
					t.Errorf("%q, %v", got.value, got.err)
				}
			} else if string(got.value) != argument || got.err != nil {
				t.Errorf("%q, %v", got.value, got.err)
			}
		}
	}
}

// What cannot be folded must say which key it is about, and must not pass for damage or for nothing.
func TestFold_namesTheKeyItCannotFold(t *testing.T) {
	large := make([]byte, key.MaxValueSize)
	cause := errors.New("no such thing")
	fails := func(_, _, _ []byte) ([]byte, error) { return nil, cause }
	panics := func(_, _, _ []byte) ([]byte, error) { panic("a bug of the user") }
	grows := func(_, _, _ []byte) ([]byte, error) { return make([]byte, key.MaxValueSize+1), nil }
	for name, c := range map[string]struct {
		rules   Rules
		old     []byte
		operand []byte
		says    string
	}{
		"add to text":           {Rules{}, []byte("text"), integer(Add, 1), "no integer"},
		"max of an empty value": {Rules{}, []byte{}, integer(Max, 1), "no integer"},
		"too long":              {Rules{}, large, text(Append, "x"), "more than"},
		"no function":           {Rules{}, nil, text(User, "x"), "Options.Merge"},
		"function fails":        {Rules{User: fails}, nil, text(User, "x"), "no such thing"},
		"function panics":       {Rules{User: panics}, nil, text(User, "x"), "a bug of the user"},
		"result is too long":    {Rules{User: grows}, nil, text(User, "x"), "more than"},
	} {
		before := bytes.Clone(c.old)
		_, err := c.rules.Fold([]byte("the-key"), c.old, true, c.operand)
		if !errors.Is(err, ErrMerge) || errors.Is(err, corrupt.ErrCorrupt) || !strings.Contains(err.Error(), "the-key") ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(before, c.old) {
			t.Errorf("%s: the value before has changed", name)
		}
	}
	if _, err := (Rules{User: fails}).Fold([]byte("k"), nil, false, text(User, "")); !errors.Is(err, cause) {
		t.Errorf("the cause is not wrapped: %v", err)
	}
}

// An operand of a later version, or a damaged one, must not be taken for something it is not.
func TestCheck_refusesWhatItDoesNotKnow(t *testing.T) {
	for _, operand := range []string{"", "\x00", "\x01", "\x011234567", "\x03123456789", "\x06"} {
		if _, err := (Rules{}).Fold([]byte("k"), nil, false, []byte(operand)); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("Fold of %q: %v", operand, err)
		}
		if err := new(Chain).Push(1, []byte(operand)); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("Push of %q: %v", operand, err)
		}
	}
}

// The bytes are in files: if they change, every counter there is changes.
func TestFormat_integers(t *testing.T) {
	if got := integer(Add, -2); string(got) != "\x01\xfe\xff\xff\xff\xff\xff\xff\xff" {
		t.Errorf("add -2 is % x", got)
	}
	for _, n := range []int64{0, 1, -1, 300, math.MinInt64, math.MaxInt64} {
		if got, ok := Int64(AppendInt64(nil, n)); !ok || got != n {
			t.Errorf("%d came back as %d, %v", n, got, ok)
		}
	}
	if _, ok := Int64([]byte("1234567")); ok {
		t.Error("7 bytes pass for an integer")
	}
}

// drawOperands draws operands of one key: of integers, of text, or now and then of both, which seldom fold.
func drawOperands(rt *rapid.T) [][]byte {
	texts, numbers, all := []Operator{Append, User}, []Operator{Add, Max, Min}, []Operator{Add, Max, Min, Append, User}
	of := rapid.SampledFrom([][]Operator{texts, texts, numbers, all}).Draw(rt, "operators")
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) []byte {
		o := rapid.SampledFrom(of).Draw(rt, "operator")
		if o < Append {
			return integer(o, rapid.Int64().Draw(rt, "n"))
		}
		return text(o, string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x80, 0xff}), 0, 9).Draw(rt, "argument")))
	}), 1, 12).Draw(rt, "operands")
}

// drawOld draws a value that operands change: often 8 bytes, since integers are added to nothing else.
func drawOld(rt *rapid.T) []byte {
	if rapid.Bool().Draw(rt, "integer") {
		return AppendInt64(nil, rapid.Int64().Draw(rt, "old"))
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(rt, "old")
}

// A chain that folds in another order, or joins what does not go together, gives another value than one operation
// after the other.
func TestChain_foldsAsOneAfterTheOther(t *testing.T) {
	var c Chain
	rapid.Check(t, func(rt *rapid.T) {
		operands := drawOperands(rt)
		old, present := drawOld(rt), rapid.Bool().Draw(rt, "present")
		rules := Rules{User: joining}
		want, is, wantErr := bytes.Clone(old), present, error(nil)
		for _, operand := range operands {
			if want, wantErr = rules.Fold([]byte("k"), want, is, operand); wantErr != nil {
				break
			}
			is = true
		}
		c.Reset()
		for i := len(operands) - 1; i >= 0; i-- {
			if err := c.Push(key.SeqNum(i+1), operands[i]); err != nil {
				rt.Fatal(err)
			}
		}
		got, err := c.Fold(rules, []byte("k"), bytes.Clone(old), present)
		if (err != nil) != (wantErr != nil) || !bytes.Equal(got, want) {
			rt.Fatalf("the chain is %q (%v), one after the other %q (%v)", got, err, want, wantErr)
		}
		checkCompact(rt, &c, rules, bytes.Clone(old), present, want, wantErr)
	})
}

// checkCompact pushes what Compact yields into another chain, which must do the same.
func checkCompact(rt *rapid.T, c *Chain, rules Rules, old []byte, present bool, want []byte, wantErr error) {
	var compact Chain
	last := key.MaxSeqNum
	var before Operator
	err := c.Compact(func(seq key.SeqNum, operand []byte) error {
		if o := Operator(operand[0]); seq >= last || o == before && o != User {
			rt.Fatalf("%v at %d after %v at %d", o, seq, before, last)
		}
		last, before = seq, Operator(operand[0])
		return compact.Push(seq, operand)
	})
	if err != nil {
		rt.Fatal(err)
	}
	got, err := compact.Fold(rules, []byte("k"), old, present)
	if (err != nil) != (wantErr != nil) || !bytes.Equal(got, want) {
		rt.Fatalf("the compact chain is %q (%v), want %q (%v)", got, err, want, wantErr)
	}
}

// Joined arguments that do something else than one after the other are wrong values for ever. Some cannot be joined, by
// a no, a panic, the end of the goroutine, or because they would be too long for an operand.
func TestChain_mergesPartially(t *testing.T) {
	appending := func(_, old, argument []byte) ([]byte, error) {
		return append(bytes.Clone(old), bytes.ToUpper(argument)...), nil // other than what Append makes of it
	}
	tooLong := make([]byte, MaxArgumentSize+1)
	partial := func(_, older, newer []byte) ([]byte, bool) {
		switch {
		case bytes.HasPrefix(newer, []byte("panic")):
			panic("a bug")
		case bytes.HasPrefix(newer, []byte("end")):
			runtime.Goexit()
		case bytes.HasPrefix(newer, []byte("long")):
			return tooLong, true
		case len(older) == 0:
			return newer, true // which is not to be changed
		}
		return append(bytes.Clone(older), newer...), !bytes.HasPrefix(newer, []byte("no"))
	}
	rapid.Check(t, func(rt *rapid.T) {
		var c Chain
		rules := Rules{User: appending, Partial: partial}.Apart()
		var want []byte
		n := rapid.IntRange(0, 9).Draw(rt, "operands")
		for i := range n { // from the newest to the oldest
			a := rapid.SampledFrom([]string{"", "a", "b", "panic", "end", "long", "no"}).Draw(rt, "argument")
			o := rapid.SampledFrom([]Operator{User, User, User, Append}).Draw(rt, "operator")
			if err := c.Push(key.SeqNum(n-i), text(o, a)); err != nil {
				rt.Fatal(err)
			}
			if o == User {
				a = strings.ToUpper(a)
			}
			want = append([]byte(a), want...)
		}
		c.MergePartially(rules, []byte("k"))
		got, err := c.Fold(rules, []byte("k"), nil, false)
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%q, %v; want %q", got, err, want)
		}
		checkCompact(rt, &c, rules, nil, false, want, nil)
	})
	var all Chain
	for i := range 1000 {
		if err := all.Push(key.SeqNum(1000-i), text(User, "x")); err != nil {
			t.Fatal(err)
		}
	}
	all.MergePartially(Rules{User: appending, Partial: partial}, nil)
	if all.Parts() != 1 || all.links[0].seq != 1000 || len(all.at(0)) != 1001 {
		t.Errorf("a thousand became %d, the newest of %d bytes at %d", all.Parts(), len(all.at(0)), all.links[0].seq)
	}
}

// What a function has returned may be a part of something that it needs again, and what it was given belongs to tables:
// later operands must not be applied in that memory.
func TestChain_changesNothingThatTheFunctionReturned(t *testing.T) {
	constant := []byte("constant, and room behind it")[:8:28]
	argument, old := []byte("argument, and room")[:8], []byte("old value, and room")
	for name, function := range map[string]Func{
		"a constant":          func(_, _, _ []byte) ([]byte, error) { return constant, nil },
		"a part of old":       func(_, old, _ []byte) ([]byte, error) { return old[len(old)/2:], nil },
		"a part of argument":  func(_, _, argument []byte) ([]byte, error) { return argument[:2], nil },
		"all of the argument": func(_, _, argument []byte) ([]byte, error) { return argument, nil },
	} {
		operands := [][]byte{append([]byte{byte(User)}, argument...), text(Append, "+"), text(User, "12345678"),
			text(Append, "-")}
		want, is := bytes.Clone(old), true
		for _, operand := range operands {
			var err error
			if want, err = (Rules{User: function}).Fold([]byte("k"), bytes.Clone(want), is, operand); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		var c Chain
		for i := len(operands) - 1; i >= 0; i-- {
			if err := c.Push(key.SeqNum(i+1), operands[i]); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.Fold(Rules{User: function}, []byte("k"), bytes.Clone(old), true)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if string(constant[:28]) != "constant, and room behind it" || !bytes.Equal(c.at(3)[1:], argument) {
			t.Errorf("%s: changed to %q and %q", name, constant[:28], c.at(3))
		}
	}
}

// A value that is too long for its reader must not be made, whatever the operator, and must not be taken for a failed
// merge.
func TestChain_foldsWithinALimit(t *testing.T) {
	double := func(_, old, _ []byte) ([]byte, error) { return append(bytes.Clone(old), old...), nil }
	for _, operand := range [][]byte{text(User, ""), text(Append, "12345678")} {
		for limit, want := range map[int]error{15: ErrTooLong, 16: nil} {
			var c Chain
			if err := c.Push(1, operand); err != nil {
				t.Fatal(err)
			}
			got, err := c.FoldWithin(limit, Rules{User: double}, []byte("k"), []byte("12345678"), true)
			if !errors.Is(err, want) || want == nil && string(got) != "1234567812345678" {
				t.Errorf("%v within %d: %q, %v", Operator(operand[0]), limit, got, err)
			}
		}
	}
}

// A joined operand that is longer than an operand may be could not be written.
func TestChain_joinsNoMoreThanAnOperandHolds(t *testing.T) {
	var c Chain
	half := append([]byte{byte(Append)}, make([]byte, key.MaxValueSize/2)...)
	for i := range 3 {
		if err := c.Push(key.SeqNum(9-i), half); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	err := c.Compact(func(_ key.SeqNum, operand []byte) error {
		if len(operand) > key.MaxValueSize {
			t.Errorf("an operand of %d bytes", len(operand))
		}
		total += len(operand) - 1
		return nil
	})
	if err != nil || total != 3*(key.MaxValueSize/2) {
		t.Errorf("%d bytes are left, %v", total, err)
	}
}

// A chain in an iterator that was put aside must not keep the largest values ever read.
func TestChain_resetLetsLargeMemoryGo(t *testing.T) {
	var c Chain
	if err := c.Push(1, append([]byte{byte(Append)}, make([]byte, 2*maxKeptBytes)...)); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	if cap(c.bytes) > maxKeptBytes || c.Len() != 0 || c.Size() != 0 {
		t.Errorf("an empty chain of %d bytes, %d operands", cap(c.bytes), c.Len())
	}
}
