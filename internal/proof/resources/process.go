package resources

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"lightningdb/internal/proof/probe"
)

// How often a process is looked at. Its directory takes a call for each file.
const (
	sampleInterval = 50 * time.Millisecond
	usageInterval  = 500 * time.Millisecond
)

// process is a child that runs, seen from outside.
type process struct {
	run       *run
	spec      spec
	command   *exec.Cmd
	pid       int
	in        io.WriteCloser
	said      chan message // closed at the end of its output
	complaint *bytes.Buffer
	ended     bool

	exact bool       // its directory is looked at while it stands still, with all that it has open
	held  probe.Held // the highest of these looks

	// peaks are the highest samples since the process was started, or the caller has set it to nothing.
	peaks  probe.Sample
	usedAt time.Time // when its directory was looked at last
}

// start starts a child that is what s says. Prepare, which may be nil, says where.
func (r *run) start(s spec, prepare func(*exec.Cmd)) (*process, error) {
	s.Seed = r.Seed
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	command, err := r.Child(string(text))
	if err != nil {
		return nil, err
	}
	if prepare != nil {
		prepare(command)
	}
	p := &process{run: r, spec: s, command: command, said: make(chan message), complaint: new(bytes.Buffer)}
	command.Stderr = p.complaint
	if p.in, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start a child: %w", err)
	}
	p.pid = command.Process.Pid
	go p.listen(out)
	return p, nil
}

// listen hands on what the child says, to its end.
func (p *process) listen(out io.Reader) {
	defer close(p.said)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			m = message{Phase: "what no child says: " + lines.Text()}
		}
		p.said <- m
	}
}

// until samples the child until it stops at a phase, and returns what it says there. The child waits then.
func (p *process) until(phase string) (message, error) {
	ticker := time.NewTicker(sampleInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.run.ctx.Done():
			return message{}, p.run.ctx.Err()
		case <-ticker.C:
			if err := p.look(); err != nil {
				return message{}, p.failed(err.Error())
			}
		case m, ok := <-p.said:
			switch {
			case !ok:
				return message{}, p.failed("it ended before " + phase)
			case m.Phase == "":
				if p.run.Progress != nil {
					p.run.Progress(p.run.outcome.Bound.Name, m.Step, m.Done, m.Total)
				}
			case m.Phase != phase:
				return message{}, p.failed(fmt.Sprintf("it came to %q instead of %q", m.Phase, phase))
			default:
				p.usedAt = time.Time{}
				return m, p.look()
			}
		}
	}
}

// goOn lets a child go on that has stopped at a phase.
func (p *process) goOn() error {
	_, err := io.WriteString(p.in, "\n")
	return err
}

// next lets the child go on to a phase.
func (p *process) next(phase string) (message, error) {
	if err := p.goOn(); err != nil {
		return message{}, p.failed(err.Error())
	}
	return p.until(phase)
}

// look takes a sample.
func (p *process) look() error {
	now := probe.Of(p.pid)
	if p.exact {
		held, err := probe.HeldBy(p.pid, p.spec.Dir)
		if err != nil && !os.IsNotExist(err) { // it has not made its directory yet
			return err
		}
		p.held.Raise(held)
	} else if time.Since(p.usedAt) >= usageInterval {
		p.usedAt = time.Now()
		now.Disk, now.Log = probe.Usage(p.spec.Dir)
	}
	p.peaks.Raise(now)
	return nil
}

// failed ends the child and says why.
func (p *process) failed(why string) error {
	p.kill()
	return fmt.Errorf("child %s: %s: %s", p.spec.Role, why, strings.TrimSpace(p.complaint.String()))
}

// end lets the child go on to its end, which must be a good one.
func (p *process) end() error {
	if p.ended {
		return nil
	}
	err := p.goOn()
	for range p.said { // it may still tell its progress
	}
	p.ended = true
	if err = errors.Join(err, p.command.Wait()); err != nil {
		return fmt.Errorf("child %s: %w: %s", p.spec.Role, err, strings.TrimSpace(p.complaint.String()))
	}
	return nil
}

// kill ends the child at once, if it has not ended. It may be called at any time.
func (p *process) kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.command.Process.Kill()
	for range p.said {
	}
	_ = p.command.Wait() // killed
}
