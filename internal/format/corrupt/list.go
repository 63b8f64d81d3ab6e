package corrupt

import (
	"bytes"
	"errors"
	"fmt"
)

// Value is an Error that keeps values from being read: of an extent, or of all of a value file.
type Value struct {
	Place       Error
	Keys        uint64 // whose values cannot be read
	First, Last []byte // of these keys
}

// OfValue is err, if it is damage, about the value of a key.
func OfValue(user []byte, err error) error {
	var place *Error
	if !errors.As(err, &place) {
		return err
	}
	return &Value{Place: *place, Keys: 1, First: bytes.Clone(user), Last: bytes.Clone(user)}
}

func (d *Value) Error() string { return d.Unwrap().Error() }

// Unwrap returns the damage as an *Error that says which keys it is about.
func (d *Value) Unwrap() error {
	whose := fmt.Sprintf("the value of key %.40q", d.First)
	if d.Keys > 1 {
		whose = fmt.Sprintf("the values of %d keys from %.40q to %.40q", d.Keys, d.First, d.Last)
	}
	return New(d.Place.File, d.Place.Offset, "%s: %s", d.Place.What, whose)
}

// with returns d and other, which are of the same place, as one.
func (d *Value) with(other *Value) *Value {
	sum := &Value{Place: d.Place, Keys: d.Keys + other.Keys, First: d.First, Last: d.Last}
	if bytes.Compare(other.First, sum.First) < 0 {
		sum.First = other.First
	}
	if bytes.Compare(other.Last, sum.Last) > 0 {
		sum.Last = other.Last
	}
	return sum
}

// List collects damage, each place once. The zero value is empty.
type List struct {
	all []error
	at  map[Error]int // where a place is in all
}

// Add adds err, and all that it joins. It may be nil.
func (d *List) Add(err error) {
	var place Error
	switch e := err.(type) {
	case nil:
		return
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			d.Add(inner)
		}
		return
	case *Value:
		place = e.Place
	default:
		var damage *Error
		if !errors.As(err, &damage) {
			d.all = append(d.all, err)
			return
		}
		place = *damage
	}
	i, known := d.at[place]
	if !known {
		if d.at == nil {
			d.at = map[Error]int{}
		}
		d.at[place] = len(d.all)
		d.all = append(d.all, err)
		return
	}
	next, ok := err.(*Value)
	if before, two := d.all[i].(*Value); ok && two {
		next = before.with(next)
	}
	if ok {
		d.all[i] = next
	}
}

// Len is how many there are.
func (d *List) Len() int { return len(d.all) }

// All is what was added, each place once.
func (d *List) All() []error { return d.all }

// Err joins what was added; nil if that is nothing.
func (d *List) Err() error {
	if len(d.all) == 1 {
		return d.all[0]
	}
	return errors.Join(d.all...)
}
