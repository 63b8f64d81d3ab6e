package blackbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Sweep lets a driver read what a power cut may leave of a recorded run.
type Sweep struct {
	Script  Script
	Dir     string           // of the recorded run
	Scratch string           // where images are written
	Driver  func() *exec.Cmd // reads images
	Seeds   int              // random images and images of each counting policy at each moment
	Stride  int              // looks at one moment in this many; 0 is all
	Enough  int              // violations after which to stop looking; 0 is never
	Fail    func(where string, err error)

	Stats Stats

	states map[string]int
	driver *process
	last   *memfs.FS
}

// Stats count what a Sweep saw. All but the first three must be zero for a store that keeps its promises.
type Stats struct {
	Calls, Moments, Images int

	Unopened int // images that could not be opened or read, though something had been promised
	Lost     int // images without a commit that had been promised to survive
	Wrong    int // images that are the state after no commit: torn, with holes, or with data that nobody wrote
	Died     int // images that killed the driver, or that it did not answer to
	Unrooted int // acknowledgements while the name of the directory was not durable
}

// Violations is the number of images that broke a promise.
func (s Stats) Violations() int { return s.Unopened + s.Lost + s.Wrong + s.Died + s.Unrooted }

func (s Stats) String() string {
	return fmt.Sprintf("calls=%d moments=%d images=%d unopened=%d lost=%d wrong=%d died=%d unrooted=%d",
		s.Calls, s.Moments, s.Images, s.Unopened, s.Lost, s.Wrong, s.Died, s.Unrooted)
}

// Run goes through a trace. An error says that the trace could not be followed, not that a promise was broken.
func (s *Sweep) Run(trace io.Reader) error {
	s.states = s.Script.states()
	err := Replay(trace, s.Dir, s.moment)
	if s.driver != nil {
		s.driver.end() // reads nothing more; how it ends was judged image by image
	}
	if err != nil || s.last == nil {
		return errors.Join(err, errorIf(s.last == nil, "the trace has no change of the directory"))
	}
	real, err := vfs.OpenDir(s.Dir, vfs.OpenDirOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer real.Close()
	if err := equalFiles(s.last, real); err != nil {
		return fmt.Errorf("the replayed trace does not lead to what the run left: %w", err)
	}
	return nil
}

func errorIf(bad bool, text string) error {
	if bad {
		return errors.New(text)
	}
	return nil
}

func (s *Sweep) moment(m Moment) error {
	s.Stats.Calls, s.last = m.Line, m.FS
	if power, _ := s.Script.durable(m.Acked); power > 0 && !m.Rooted {
		s.Stats.Unrooted++
		s.Fail(fmt.Sprintf("call %d", m.Line),
			errors.New("a commit is acknowledged, but the directory's name is not durable"))
	}
	s.Stats.Moments++
	if s.Stats.Moments%max(s.Stride, 1) != 0 || s.Enough > 0 && s.Stats.Violations() >= s.Enough {
		return nil
	}
	for _, cut := range torture.AllCuts(m.FS.Unsynced(), m.FS.UnsyncedSectors(), s.Seeds, 2*s.Seeds) {
		if err := s.image(m, cut); err != nil {
			return err
		}
	}
	return nil
}

// image judges one image. Its error says that the harness failed.
func (s *Sweep) image(m Moment, cut torture.Cut) error {
	where := fmt.Sprintf("call %d (%s) after ok %d, %v:%d", m.Line, m.Call, m.Acked, cut.Policy, cut.Seed)
	dir := filepath.Join(s.Scratch, "image")
	if err := WriteImage(m.FS.Image(cut.Policy, cut.Seed), dir); err != nil {
		return err
	}
	command := "state "
	if s.Stats.Images%8 == 0 {
		command = "use "
	}
	s.Stats.Images++
	answer, err := s.ask(command + dir)
	power, kill := s.Script.durable(m.Acked)
	if cut.Policy == memfs.All {
		power = kill
	}
	at, known := s.states[answer]
	switch {
	case errors.Is(err, errDied):
		s.Stats.Died++
		s.driver = nil
	case err != nil && !m.Opened: // nothing was promised yet
		return nil
	case err != nil:
		s.Stats.Unopened++
	case !known || at > m.Acked+1:
		s.Stats.Wrong++
		err = errors.New("the content is that after no commit")
	case at < power:
		s.Stats.Lost++
		err = fmt.Errorf("the content is that after step %d, step %d was to survive", at, power)
	}
	if err != nil {
		s.Fail(where, err)
	}
	return nil
}

// ask asks the driver, and starts one if there is none.
func (s *Sweep) ask(command string) (string, error) {
	if s.driver == nil {
		d, err := start(s.Driver())
		if err != nil {
			return "", err
		}
		s.driver = d
	}
	answer, err := s.driver.ask(command)
	if errors.Is(err, errDied) {
		s.driver.end() // it is dead
	}
	return answer, err
}

// WriteImage writes the files of img into dir, which is emptied first.
func WriteImage(img vfs.FS, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	names, err := img.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := readAll(img, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
