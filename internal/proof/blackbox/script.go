package blackbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Op is one operation of a commit: a put, or with a nil value a removal.
type Op struct{ Key, Value []byte }

// Step is one command to a driver. Its number is its place in the script, from 1.
type Step struct {
	Verb string   // put, batch, sync, flush, close
	Sync bool     // put, batch: the commit must survive a power cut once it is acknowledged
	Size int      // put, batch: length of the values
	Keys []string // put, batch: keys to set; with a leading '-', to remove
}

// Script is what a driver is told to do, in order.
type Script []Step

// changes reports whether s is a commit.
func (s *Step) changes() bool { return len(s.Keys) > 0 }

// line is the command of step n in the protocol.
func (s *Step) line(n int) string {
	if !s.changes() {
		return fmt.Sprintf("%s %d", s.Verb, n)
	}
	mode := "process"
	if s.Sync {
		mode = "sync"
	}
	return fmt.Sprintf("%s %d %s %d %s", s.Verb, n, mode, s.Size, strings.Join(s.Keys, " "))
}

// parseLine is the inverse of line.
func parseLine(line string) (n int, s Step, err error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return 0, s, fmt.Errorf("command %q has no number", line)
	}
	s.Verb = f[0]
	if n, err = strconv.Atoi(f[1]); err != nil {
		return 0, s, err
	}
	if s.Verb != "put" && s.Verb != "batch" {
		return n, s, nil
	}
	if len(f) < 5 {
		return n, s, fmt.Errorf("command %q lacks a key", line)
	}
	s.Sync, s.Keys = f[2] == "sync", f[4:]
	s.Size, err = strconv.Atoi(f[3])
	return n, s, err
}

// ops are the operations of step n. Every value says where it belongs, so that no two states of a script are equal and
// a value in the wrong place is noticed.
func (s *Step) ops(n int) []Op {
	ops := make([]Op, 0, len(s.Keys))
	for _, k := range s.Keys {
		if removed, ok := strings.CutPrefix(k, "-"); ok {
			ops = append(ops, Op{Key: []byte(removed)})
			continue
		}
		ops = append(ops, Op{[]byte(k), value(n, k, s.Size)})
	}
	return ops
}

// value cannot be compressed, so that its bytes reach the file.
func value(n int, k string, size int) []byte {
	v := fmt.Appendf(nil, "%d %s ", n, k)
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(k))))
	for len(v) < size {
		v = binary.LittleEndian.AppendUint64(v, r.Uint64())
	}
	return v
}

// digest identifies a content, entries in the order of keys.
type digest struct{ sum bytes.Buffer }

func (d *digest) add(k, v []byte) {
	d.sum.Write(binary.AppendUvarint(nil, uint64(len(k))))
	d.sum.Write(k)
	d.sum.Write(binary.AppendUvarint(nil, uint64(len(v))))
	d.sum.Write(v)
}

func (d *digest) String() string {
	sum := sha256.Sum256(d.sum.Bytes())
	return hex.EncodeToString(sum[:8])
}

// apply makes the content before step n, which counts from 1, that after it.
func (s Script) apply(n int, content map[string]string) {
	for _, op := range s[n-1].ops(n) {
		if op.Value == nil {
			delete(content, string(op.Key))
		} else {
			content[string(op.Key)] = string(op.Value)
		}
	}
}

// Content is what there is after step n.
func (s Script) Content(n int) map[string]string {
	content := make(map[string]string)
	for i := range n {
		s.apply(i+1, content)
	}
	return content
}

// states maps the digest of the state after each step to the first step it is the state after; 0 is empty.
func (s Script) states() map[string]int {
	content := make(map[string]string)
	states := map[string]int{new(digest).String(): 0}
	for i := range s {
		s.apply(i+1, content)
		var d digest
		for _, k := range slices.Sorted(maps.Keys(content)) {
			d.add([]byte(k), []byte(content[k]))
		}
		if _, known := states[d.String()]; !known {
			states[d.String()] = i + 1
		}
	}
	return states
}

// durable is the last step whose effect must survive a power cut when steps up to acked have been acknowledged, and
// commits the last that changed anything, which a kill of the process must leave.
func (s Script) durable(acked int) (power, kill int) {
	for i := range acked {
		switch step := &s[i]; {
		case step.changes():
			kill = i + 1
			if step.Sync {
				power = kill
			}
		case step.Verb == "sync" || step.Verb == "close":
			power = kill
		}
	}
	return power, kill
}
