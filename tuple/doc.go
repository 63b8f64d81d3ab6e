// Package tuple writes keys whose bytes are in the order of the values in them, and reads them again. A key is a tuple:
// integers, floats, strings, byte strings, booleans, times, UUIDs, nulls, and tuples of these, one after the other.
//
//	key := tuple.AppendTime(tuple.AppendString(nil, "ann"), at)   // by user, then by time
//
//	r := tuple.NewReader(key)
//	user, at := r.String(), r.Time()
//	if err := r.End(); err != nil { … }
//
// There are three ways to do it, and all of them write the same bytes:
//
//   - Append functions and a Reader, which allocate nothing;
//   - a Codec, which says once what the keys of one kind are: Pair, Triple, Desc and Map make codecs of codecs;
//   - a Tuple, for what is only known when the program runs, with Pack and Unpack.
//
// Prefix and Range give the bounds of what begins with a tuple, for DB.Range; a Subspace keeps a prefix.
//
// # Order
//
// Tuples are compared element by element; one that another begins with is before that one. Elements of different types
// are in the order of the table below. Integers are one type, whatever Go type they had: 2 as an int8 is 2 as a uint64.
// Floats are in the order of IEEE 754's totalOrder: -0 is before 0 and another key, though Go says that they are equal,
// and NaNs are outside the infinities, by sign and payload, bit by bit. Strings are in the order of their bytes, which
// is that of code points: no language's order.
//
// # Format
//
// The bytes are those of FoundationDB's tuple layer, version of its design/tuple.md, so what one of its bindings packs
// this package unpacks, and the other way round. Each element is a type code and its content, the highest byte first:
//
//	00                       null; within a tuple 00 ff
//	01  bytes  00            byte string; each 00 in it is written 00 ff
//	02  bytes  00            string in UTF-8, likewise
//	05  elements  00         tuple
//	0b ^n  n bytes           negative integer of 9 to 255 bytes, inverted, and so is n
//	0c … 13  8 … 1 bytes     negative integer, inverted
//	14                       0
//	15 … 1c  1 … 8 bytes     positive integer
//	1d  n  n bytes           positive integer of 9 to 255 bytes
//	20  4 bytes              float: if its sign bit is set all bits are inverted, otherwise that one
//	21  8 bytes              float, likewise
//	26                       false
//	27                       true
//	30  16 bytes             UUID
//	33  12 bytes             versionstamp
//
// ff is no type code. So behind the 00 that ends a string there is never an ff, and a 00 that has one behind it is a
// part of the string. A worked example, ("a\x00b", -2, (nil, 258)):
//
//	02 61 00 ff 62 00   13 fd   05 00 ff 16 01 02 00
//
// Two things are this package's own, and other programs read them as what they are: a time is an integer, of
// nanoseconds (AppendTime); a part in descending order is a byte string (Desc).
//
// Every key that can be read has one tuple, and that tuple has this key alone: integers that are not in their shortest
// form, and strings that are not UTF-8, are refused. The bytes of what is written here will not change.
//
// # Limits
//
// Tuples lie in each other at most MaxDepth deep, and integers have at most 255 bytes. No bytes make this package
// panic, and the memory that it takes is in proportion to their length.
package tuple
