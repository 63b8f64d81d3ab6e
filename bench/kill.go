package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const (
	killBatch = 10
	killShare = 5 // one row in this many is written before the kill
)

// kill measures open after the process that wrote was killed, and counts the rows that it had been told were written
// and that are gone: commits were not durable, but promised, where the engine can, to outlive the process.
func (r *run) kill() error {
	n := r.Rows / killShare
	if err := r.killWriter(); err != nil {
		return err
	}
	if err := r.openAndRead("kill_open"); err != nil {
		return err
	}
	lost, err := r.missing(n)
	r.Values["kill_lost"] = float64(lost)
	return errors.Join(err, r.close())
}

// killWriter runs kill_writer in a process of its own, and kills it when it has written everything.
func (r *run) killWriter() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(job{Engine: r.kind.name, Set: writerToKill.name, Dir: r.dir, Settings: r.settings})
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-job", string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // never written to: its end tells the process that this one is gone
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		err = fmt.Errorf("the writer ended: %w", err)
	}
	err = errors.Join(err, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	return err
}

// writeAndWait writes the rows that kill looks for, says so, and waits to be killed.
func (r *run) writeAndWait() error {
	if err := r.open(r.unsynced(1)); err != nil {
		return err
	}
	n := r.Rows / killShare
	b := newBatch(killBatch)
	for from := 0; from < n; from += killBatch {
		b.fill(r.data, uint64(from), min(killBatch, n-from))
		if err := r.engine.Write(b.keys, b.values); err != nil {
			return err
		}
	}
	fmt.Println("written")
	_, err := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, errors.New("the process that was to kill this one is gone"))
}

// missing counts the rows [0, n) that are not there; one that is wrong is an error.
func (r *run) missing(n int) (lost int, err error) {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	var k []byte
	memory := newBatch(1)
	for i := range uint64(n) {
		k = r.data.key(k, i)
		same := false
		found, err := reader.Get(k, func(v []byte) { _, same = r.data.isRow(k, v, memory) })
		if err != nil {
			return lost, err
		}
		if !found {
			lost++
		} else if !same {
			return lost, fmt.Errorf("row %d is not what was written", i)
		}
	}
	return lost, nil
}
