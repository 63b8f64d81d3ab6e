package span_test

import (
	"fmt"

	"lightningdb/internal/format/span"
)

// A nil end is open, an empty one is before every key.
func ExampleSpan() {
	users := span.Span{Lo: []byte("user/"), Hi: []byte("user0")} // '0' is the byte after '/'
	fmt.Println(users.Contains([]byte("user/ada")), users.Contains([]byte("user0")))
	fmt.Println(span.Span{Lo: []byte("user/")}.Contains([]byte("zebra")))
	fmt.Println(span.Span{Hi: []byte{}}.Empty(), span.Span{}.Empty())
	// Output:
	// true false
	// true
	// true false
}

// Neighbours become one, so that a scan in small steps leaves a single span.
func ExampleSet_Add() {
	var read span.Set
	for _, key := range []string{"b", "a", "c"} {
		read.Add(span.Span{Lo: []byte(key), Hi: []byte(key + "~")})
	}
	fmt.Printf("%q\n", read)
	read.Add(span.Span{Lo: []byte("a~"), Hi: []byte("b")})
	fmt.Printf("%q\n", read)
	// Output:
	// [{"a" "a~"} {"b" "b~"} {"c" "c~"}]
	// [{"a" "b~"} {"c" "c~"}]
}
