package operate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// orderLimit bounds how long a subject takes to do what it is told.
const orderLimit = 3 * time.Minute

// scene is the database of one cause, and the process that has it open. One goroutine uses it.
type scene struct {
	*run
	cause   Cause
	dir     string // for the files of the cause
	spec    spec
	skipped string // why it cannot be played on this machine

	command   *exec.Cmd // nil if no process runs
	in        io.WriteCloser
	answers   chan answer // closed at the end of the process's output
	complaint *bytes.Buffer
}

// newScene makes the directory of a cause and starts its process, which has to be killed also after an error.
func (r *run) newScene(c Cause) (s *scene, err error) {
	s = &scene{run: r, cause: c, dir: filepath.Join(r.Dir, c.Name)}
	if s.spec.Address, err = freeAddress(); err != nil {
		return s, err
	}
	s.spec.Dir, s.spec.MemoryLimit, s.spec.LogLimit = s.path("db"), 10<<20, 2<<20
	if c.set != nil {
		c.set(s)
	}
	if err := os.MkdirAll(filepath.Dir(s.spec.Dir), 0o700); err != nil {
		return s, err
	}
	if c.unavailable != nil {
		if s.skipped = c.unavailable(); s.skipped != "" {
			return s, nil
		}
	}
	if err = s.start(); err == nil {
		err = s.order(c.before...)
	}
	if err != nil && c.mayLack {
		s.kill()
		s.skipped, err = err.Error(), nil
	}
	return s, err
}

// path names a file of the scene.
func (s *scene) path(name string) string { return filepath.Join(s.dir, name) }

// play makes the cause and mends it. The process stays to the end of the run, so that what rings late is seen.
func (s *scene) play() Outcome {
	o := Outcome{Cause: s.cause.Name, Alert: s.cause.Alert, Skipped: s.skipped}
	if s.skipped != "" {
		return o
	}
	began := time.Now()
	if o.Err = s.cause.do(s); o.Err != nil {
		return o
	}
	limit := time.Duration(s.cause.minutes)*s.Minute + time.Minute
	o.Err = s.until(limit, s.cause.Alert+" fires", func() bool { return s.pager.rings(s.spec.Address, s.cause.Alert) })
	o.Fired = time.Since(began)
	if o.Err != nil {
		return o
	}
	s.say("%s: %s fires", s.cause.Name, s.cause.Alert)
	if o.Err = s.cause.mend(s); o.Err != nil {
		return o
	}
	began = time.Now()
	o.Err = s.until(limit, s.cause.Alert+" clears", func() bool { return !s.pager.rings(s.spec.Address, s.cause.Alert) })
	o.Cleared = time.Since(began)
	s.say("%s: %s clears", s.cause.Name, s.cause.Alert)
	return o
}

// start starts the process of the scene, and waits until it shows its database.
func (s *scene) start() error {
	text, err := json.Marshal(s.spec)
	if err != nil {
		return err
	}
	command, err := s.Child(string(text))
	if err != nil {
		return err
	}
	if s.cause.prepare != nil {
		s.cause.prepare(command)
	}
	s.complaint = new(bytes.Buffer)
	command.Stderr = s.complaint
	if s.in, err = command.StdinPipe(); err != nil {
		return err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start a subject: %w", err)
	}
	s.command, s.answers = command, make(chan answer)
	go listen(out, s.answers)
	return s.hear("start")
}

// listen hands on what a subject answers, to the end of its output.
func listen(out io.Reader, answers chan<- answer) {
	defer close(answers)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			a.Error = "what no subject says: " + lines.Text()
		}
		answers <- a
	}
}

// order tells the subject to do some things, one after the other.
func (s *scene) order(orders ...string) error {
	for _, o := range orders {
		if _, err := io.WriteString(s.in, o+"\n"); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
		if err := s.hear(o); err != nil {
			return err
		}
	}
	return nil
}

// hear waits for the answer to an order.
func (s *scene) hear(order string) error {
	limit := time.NewTimer(orderLimit)
	defer limit.Stop()
	select {
	case a, ok := <-s.answers:
		switch {
		case !ok:
			s.kill()
			return fmt.Errorf("%s: the subject has ended: %s", order, s.complaint)
		case a.Error != "":
			return fmt.Errorf("%s: %s", order, a.Error)
		}
		return nil
	case <-limit.C:
		return fmt.Errorf("%s: no answer within %v", order, orderLimit)
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// kill ends the process at once, if there is one.
func (s *scene) kill() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	for range s.answers {
	}
	_ = s.command.Wait() // killed
	s.command = nil
}

// restart kills the process, as a machine does, and starts it again.
func (s *scene) restart() error {
	s.kill()
	return s.start()
}

// largestTable is the path of the largest table.
func (s *scene) largestTable() (path string, size int64, err error) {
	tables, err := filepath.Glob(filepath.Join(s.spec.Dir, "*.tbl"))
	for _, t := range tables {
		info, statErr := os.Stat(t)
		if err = errors.Join(err, statErr); statErr == nil && info.Size() > size {
			path, size = t, info.Size()
		}
	}
	if path == "" && err == nil {
		err = errors.New("there are no tables")
	}
	return path, size, err
}
