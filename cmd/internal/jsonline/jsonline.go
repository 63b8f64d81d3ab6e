// Package jsonline writes results as single lines of JSON, and reads the flat objects that imports consist of. It does
// what the program needs of package encoding/json, in a tenth of its bytes
// (docs/decisions/0007-size-of-the-program.md).
//
// It owns the form of the text: escapes, numbers, which fields are left out. It does not own what the fields mean.
// Every function is safe for concurrent use.
//
//	Append(nil, struct {
//		Count int64  `json:"count"`
//		Why   string `json:"why,omitempty"`
//	}{Count: 2}) // {"count":2}
package jsonline

import (
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Write writes v and the end of the line. See Append.
func Write(w io.Writer, v any) error {
	_, err := w.Write(append(Append(nil, v), '\n'))
	return err
}

// Append appends v as package encoding/json would write it without escapes for HTML. v is made of booleans, strings,
// integers, float64, slices, maps by string, structs with tags (their names, and omitempty), and pointers to these. A
// number that JSON cannot express is null. Any other type is a mistake of the caller: it panics.
func Append(dst []byte, v any) []byte { return appendValue(dst, reflect.ValueOf(v)) }

func appendValue(dst []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.String:
		return AppendString(dst, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case reflect.Float64:
		return appendFloat(dst, v.Float())
	case reflect.Pointer, reflect.Interface:
		return appendPointee(dst, v)
	case reflect.Slice:
		return appendSlice(dst, v)
	case reflect.Map:
		return appendMap(dst, v)
	case reflect.Struct:
		dst = append(dst, '{')
		return append(appendFields(dst, v), '}')
	}
	panic(fmt.Sprintf("jsonline: no way to write a %v", v.Kind()))
}

func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendPointee(dst []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(dst, "null"...)
	}
	return appendValue(dst, v.Elem())
}

func appendSlice(dst []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range v.Len() {
		dst = appendValue(separate(dst), v.Index(i))
	}
	return append(dst, ']')
}

// appendMap writes the entries in the order of their keys.
func appendMap(dst []byte, v reflect.Value) []byte {
	fields := make(map[string]reflect.Value, v.Len())
	for entry := v.MapRange(); entry.Next(); {
		fields[entry.Key().String()] = entry.Value()
	}
	dst = append(dst, '{')
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		dst = append(AppendString(separate(dst), name), ':')
		dst = appendValue(dst, fields[name])
	}
	return append(dst, '}')
}

// appendFields writes the fields of a struct without braces. Those of an embedded struct stand among them.
func appendFields(dst []byte, v reflect.Value) []byte {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			dst = appendFields(dst, v.Field(i))
		case !field.IsExported(), name == "-", option == "omitempty" && isEmpty(v.Field(i)):
		default:
			if name == "" {
				name = field.Name
			}
			dst = append(AppendString(separate(dst), name), ':')
			dst = appendValue(dst, v.Field(i))
		}
	}
	return dst
}

// isEmpty reports whether omitempty leaves v out.
func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.Kind() != reflect.Struct && v.IsZero()
}

// separate appends a comma, unless the object or array has just begun.
func separate(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}

// AppendString appends s in quotes. What is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r < ' ', r == '"', r == '\\', r == '\u2028', r == '\u2029':
			dst = appendEscape(dst, r)
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return append(dst, '"')
}

// escapes are the characters that have an escape of one letter, each followed by that letter.
const escapes = "\"\"\\\\\bb\ff\nn\rr\tt"

func appendEscape(dst []byte, r rune) []byte {
	for i := 0; i < len(escapes); i += 2 {
		if rune(escapes[i]) == r {
			return append(dst, '\\', escapes[i+1])
		}
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}
