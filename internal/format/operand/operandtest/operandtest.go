// Package operandtest joins the arguments of any merge function, for tests of those that join them.
package operandtest

import (
	"bytes"
	"encoding/binary"

	"lightningdb/internal/format/operand"
)

// listMark begins an argument that Lists has made of two.
var listMark = []byte("\xf7list of arguments:")

// Lists returns rules by which arguments of f, whatever it does, can be joined: to a list of them, which is taken for
// its arguments one after the other. It says whether a value is the one that the rules without joining give.
func Lists(f operand.Func) operand.Rules {
	return operand.Rules{
		User: func(user, old, argument []byte) (value []byte, err error) {
			value = old
			for _, a := range arguments(argument) {
				if value, err = f(user, value, a); err != nil {
					return nil, err
				}
				if value == nil {
					value = []byte{} // there is one now
				}
			}
			return value, nil
		},
		Partial: func(_, older, newer []byte) ([]byte, bool) {
			joined := bytes.Clone(listMark)
			for _, a := range append(arguments(older), arguments(newer)...) {
				joined = append(binary.AppendUvarint(joined, uint64(len(a))), a...)
			}
			return joined, true
		},
	}
}

// arguments are those that argument stands for.
func arguments(argument []byte) (all [][]byte) {
	rest, isList := bytes.CutPrefix(argument, listMark)
	if !isList {
		return [][]byte{argument}
	}
	for len(rest) > 0 {
		n, size := binary.Uvarint(rest)
		end := size + int(n)
		all, rest = append(all, rest[size:end:end]), rest[end:]
	}
	return all
}
