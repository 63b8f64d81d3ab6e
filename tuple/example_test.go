package tuple_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"lightningdb/tuple"
)

// Parts of a key of any types, in their order. Unpack gives integers as int64.
func ExampleTuple_Pack() {
	key, err := tuple.Tuple{"ann", 7, nil}.Pack()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x\n", key)
	parts, err := tuple.Unpack(key)
	fmt.Printf("%#v %v\n", parts, err)
	// Output:
	// 02616e6e00150700
	// tuple.Tuple{"ann", 7, interface {}(nil)} <nil>
}

// Types of a program's own are converted, so that no key changes because a type does.
func ExampleTuple_Pack_unsupported() {
	type colour string
	_, err := tuple.Tuple{colour("red")}.Pack()
	fmt.Println(errors.Is(err, tuple.ErrUnsupported), err)
	// Output: true tuple: element 0: values of this type have no encoding: tuple_test.colour
}

// A buffer that is used again for each key.
func ExampleTuple_Append() {
	buf := make([]byte, 0, 64)
	for _, name := range []string{"ann", "bob"} {
		key, err := tuple.Tuple{name, true}.Append(buf[:0])
		fmt.Printf("%x %v\n", key, err)
	}
	// Output:
	// 02616e6e0027 <nil>
	// 02626f620027 <nil>
}

// What cannot be read says where.
func ExampleUnpack() {
	_, err := tuple.Unpack([]byte("\x15\x07plain text"))
	var place *tuple.DecodeError
	fmt.Println(errors.Is(err, tuple.ErrUnknownCode), errors.As(err, &place), place.Offset)
	fmt.Println(err)
	// Output:
	// true true 2
	// tuple: element at offset 2 (type code 0x70): unknown type code
}

// Numbers sort by value, whatever their size.
func ExampleAppendInt() {
	var keys [][]byte
	for _, n := range []int64{300, -1, 2, 10, -70000} {
		keys = append(keys, tuple.AppendInt(nil, n))
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		fmt.Print(tuple.NewReader(key).Int(), " ")
	}
	// Output: -70000 -1 2 10 300
}

// Numbers larger than 64 bits are in the same order.
func ExampleAppendBig() {
	large := new(big.Int).Lsh(big.NewInt(1), 100)
	key, err := tuple.AppendBig(nil, large)
	fmt.Println(bytes.Compare(tuple.AppendUint(nil, 1<<63), key), err)
	fmt.Println(tuple.NewReader(key).Big().Cmp(large))
	// Output:
	// -1 <nil>
	// 0
}

// A string is before each longer one that begins with it, whatever follows it in the key.
func ExampleAppendString() {
	ann := tuple.AppendInt(tuple.AppendString(nil, "ann"), 999)
	anna := tuple.AppendInt(tuple.AppendString(nil, "anna"), 1)
	fmt.Println(bytes.Compare(ann, anna))
	// Output: -1
}

// Times sort by instant, and come back in UTC.
func ExampleAppendTime() {
	berlin := time.FixedZone("CET", 3600)
	key := tuple.AppendTime(nil, time.Date(2026, 12, 1, 1, 0, 0, 5, berlin))
	r := tuple.NewReader(key)
	fmt.Println(r.Time(), r.End())
	fmt.Printf("%x\n", key)
	// Output:
	// 2026-12-01 00:00:00.000000005 +0000 UTC <nil>
	// 1c18ecf827830c0005
}

// The rest of what a key can hold.
func ExampleAppendNull() {
	key := tuple.AppendBool(tuple.AppendNull(nil), true)
	key = tuple.AppendFloat64(tuple.AppendFloat32(key, 1.5), -2)
	key = tuple.AppendBytes(key, []byte{0, 1})
	key = tuple.AppendUUID(key, [16]byte{1})
	key = tuple.AppendVersionstamp(key, [12]byte{2})
	r := tuple.NewReader(key)
	fmt.Println(r.Null(), r.Bool(), r.Float32(), r.Float64(), r.Bytes(), r.UUID()[0], r.Versionstamp()[0], r.End())
	// Output: true true 1.5 -2 [0 1] 1 2 <nil>
}

// A path as one part of a key: it is before what is below it.
func ExampleAppendTuple() {
	key, err := tuple.AppendTuple(nil, tuple.Tuple{"usr", "bin"})
	if err != nil {
		panic(err)
	}
	key = tuple.AppendInt(key, 7)
	r := tuple.NewReader(key)
	fmt.Println(r.Tuple(), r.Int(), r.End())
	// Output: [usr bin] 7 <nil>
}

// One look at the end tells whether all of it was right.
func ExampleReader() {
	key := tuple.AppendInt(tuple.AppendString(nil, "ann"), 7)

	r := tuple.NewReader(key)
	fmt.Println(r.String(), r.Int(), r.End())

	r = tuple.NewReader(key)
	fmt.Println(r.Int(), r.String(), r.End())
	// Output:
	// ann 7 <nil>
	// 0  tuple: element at offset 0 (type code 0x02): the element is of another type than an integer
}

// What is of no interest is skipped, and a buffer takes what is.
func ExampleReader_AppendString() {
	buf := make([]byte, 0, 64)
	var r tuple.Reader
	for _, n := range []int64{1, 2} {
		r.Reset(tuple.AppendString(tuple.AppendInt(nil, n), "ann"))
		r.Skip()
		buf = r.AppendString(buf[:0])
		fmt.Printf("%s %v\n", buf, r.End())
	}
	// Output:
	// ann <nil>
	// ann <nil>
}

// Keys of programs that one knows nothing of.
func ExampleReader_Any() {
	r := tuple.NewReader(tuple.AppendBool(tuple.AppendUint(nil, 1<<63), true))
	for r.More() {
		v := r.Any()
		fmt.Printf("%T %v\n", v, v)
	}
	fmt.Println(r.Err())
	// Output:
	// uint64 9223372036854775808
	// bool true
	// <nil>
}

// Prefix is all that begins with a tuple, itself among it; Range leaves it out. What merely looks alike is in neither.
func ExamplePrefix() {
	key := func(parts ...any) []byte {
		k, err := tuple.Tuple(parts).Pack()
		if err != nil {
			panic(err)
		}
		return k
	}
	in := func(k, lo, hi []byte) bool { return bytes.Compare(lo, k) <= 0 && bytes.Compare(k, hi) < 0 }
	lo, hi := tuple.Prefix(key("ann"))
	fmt.Println(in(key("ann"), lo, hi), in(key("ann", 1), lo, hi), in(key("anna"), lo, hi))
	lo, hi = tuple.Range(key("ann"))
	fmt.Println(in(key("ann"), lo, hi), in(key("ann", 1), lo, hi), in(key("ann\x00a"), lo, hi))
	// Output:
	// true true false
	// false true false
}

// A codec is written down once, and says what keys of a kind are.
func ExamplePair() {
	scores := tuple.Pair(tuple.String, tuple.Int)
	key, err := scores.Append(nil, tuple.Two[string, int64]{A: "ann", B: 7})
	if err != nil {
		panic(err)
	}
	fmt.Println(tuple.Decode(scores, key))
	// Output: {ann 7} <nil>
}

// Three parts; more are pairs of pairs.
func ExampleTriple() {
	c := tuple.Triple(tuple.Bool, tuple.Uint, tuple.Bytes)
	key, err := c.Append(nil, tuple.Three[bool, uint64, []byte]{A: true, B: 1, C: []byte("x")})
	fmt.Printf("%x %v\n", key, err)
	// Output: 271501017800 <nil>
}

// By user, and of each the newest first.
func ExampleDesc() {
	visits := tuple.Pair(tuple.String, tuple.Desc(tuple.Time))
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	var keys [][]byte
	for _, v := range []tuple.Two[string, time.Time]{{A: "bob", B: day}, {A: "ann", B: day},
		{A: "ann", B: day.AddDate(0, 0, 1)}} {
		key, err := visits.Append(nil, v)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		v, err := tuple.Decode(visits, key)
		fmt.Println(v.A, v.B.Format(time.DateOnly), err)
	}
	// Output:
	// ann 2026-12-02 <nil>
	// ann 2026-12-01 <nil>
	// bob 2026-12-01 <nil>
}

// Keys that are a type of one's own.
func ExampleMap() {
	type visit struct {
		user string
		page int64
	}
	type parts = tuple.Two[string, int64]
	visits := tuple.Map(tuple.Pair(tuple.String, tuple.Int),
		func(v visit) parts { return parts{A: v.user, B: v.page} },
		func(p parts) (visit, error) { return visit{p.A, p.B}, nil })

	key, err := visits.Append(nil, visit{"ann", 7})
	if err != nil {
		panic(err)
	}
	v, err := tuple.Decode(visits, key)
	fmt.Printf("%+v %v\n", v, err)
	// Output: {user:ann page:7} <nil>
}

// What a key means to its program is refused where it is read.
func ExampleReader_Fail() {
	weekday := tuple.Map(tuple.Int, func(d time.Weekday) int64 { return int64(d) },
		func(n int64) (time.Weekday, error) {
			if n < 0 || n > 6 {
				return 0, errors.New("no such day")
			}
			return time.Weekday(n), nil
		})
	fmt.Println(tuple.Decode(weekday, tuple.AppendInt(nil, 6)))
	_, err := tuple.Decode(weekday, tuple.AppendInt(nil, 7))
	fmt.Println(err)
	// Output:
	// Saturday <nil>
	// tuple: element at offset 0 (type code 0x15): no such day
}

// A part of the database for each kind of thing.
func ExampleSubspace() {
	users := tuple.NewSubspace(tuple.AppendString(nil, "users"))
	key := tuple.AppendInt(users.Append(nil), 7)

	fmt.Println(users.Contains(key), users.Contains(tuple.AppendString(nil, "users2")))
	r := users.Reader(key)
	fmt.Println(r.Int(), r.End())
	parts, err := users.Unpack(key)
	fmt.Println(parts, err)
	lo, hi := users.Range()
	fmt.Printf("%q %q\n", lo, hi)
	// Output:
	// true false
	// 7 <nil>
	// [7] <nil>
	// "\x02users\x00" "\x02users\x00\xff"
}

// Parts of parts.
func ExampleSubspace_Sub() {
	shop := tuple.NewSubspace([]byte("shop:"))
	orders, err := shop.Sub("orders")
	if err != nil {
		panic(err)
	}
	key, err := orders.Pack("ann", 7)
	fmt.Printf("%q %v\n", key, err)
	// Output: "shop:\x02orders\x00\x02ann\x00\x15\a" <nil>
}
