package resources

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/probe"
)

// A small disk is a file system in memory, of the same size at every scale, that its process mounts for itself: so
// nobody needs to be root. Ballasts leave a database without a limit a quarter of it, until the parent removes them.
// Each has room for a copy of the database that is full then, which a compaction of all of it needs.
const (
	smallDiskBytes   = 72 << 20
	smallBallast     = 26 << 20
	smallLogLimit    = 2 << 20
	smallMemoryLimit = 16 << 20
	smallReturn      = 2 * time.Second // until writes are taken after there is space
)

// mountSmallDisk starts the process whose disk it is, and returns its path and those of its ballasts.
func (r *run) mountSmallDisk() (p *process, path string, ballasts [2]string, err error) {
	dir, err := filepath.Abs(r.path("small"))
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err == nil {
		p, err = r.start(spec{Role: "small", Dir: dir, Bytes: smallDiskBytes}, probe.MayMount)
	}
	if err == nil {
		_, err = p.until("mounted")
	}
	if err != nil {
		return nil, "", ballasts, err
	}
	path = probe.SeenBy(p.pid, dir)
	for i := range ballasts {
		ballasts[i] = filepath.Join(path, fmt.Sprint("ballast", i))
		err = errors.Join(err, os.WriteFile(ballasts[i], make([]byte, smallBallast), 0o600))
	}
	return p, path, ballasts, err
}

// holdSmallDisk is the process whose disk it is.
func holdSmallDisk(c *child) error {
	if err := probe.MountMemory(c.Dir, c.Bytes); err != nil {
		return err
	}
	return c.stop(message{Phase: "mounted"})
}

// fillSmallDisk has a database without a limit fill its disk, gives it space, has it fill that, too, kills it, and
// opens it on the full disk. With a limit and a reserve package environment does that.
func (r *run) fillSmallDisk() error {
	const at = "no DiskLimit, full disk: "
	disk, path, ballasts, err := r.mountSmallDisk()
	if disk != nil {
		defer disk.kill()
	}
	if err != nil {
		r.skip(at+"what goes on", err.Error())
		return nil
	}
	s := spec{Role: "full", Dir: filepath.Join(path, "db"), Ledgers: r.path("small-ledgers"), Bytes: 1 << 20,
		MemoryLimit: smallMemoryLimit, LogLimit: smallLogLimit}
	m, err := r.fillAndKill(s, ballasts[0])
	if err != nil {
		return err
	}
	r.judgeKeys(at, m.Numbers)
	r.show(at+"deletes taken", fmt.Sprintf("%d of some hundreds", m.Numbers["deleted"]))
	r.judgeTime(at+"from space until writes are taken", time.Duration(m.Numbers["resumed"]), smallReturn)
	if m, err = r.openAndKill(s); err == nil && m.Numbers["no space"] > 0 {
		r.show(at+"Open after a kill", "finds no space, and says so")
		if err = os.Remove(ballasts[1]); err == nil {
			m, err = r.openAndKill(s)
		}
	}
	if err != nil {
		return err
	}
	r.check(at+"then Open finds space", fmt.Sprint(m.Numbers["no space"] == 0), "true", m.Numbers["no space"] == 0)
	r.judgeKeys(at+"after a kill, ", m.Numbers)
	return nil
}

// fillAndKill has a child fill the disk twice, and kills it.
func (r *run) fillAndKill(s spec, ballast string) (m message, err error) {
	p, err := r.start(s, nil)
	if err != nil {
		return m, err
	}
	defer p.kill()
	if _, err = p.until("opened"); err == nil {
		_, err = p.next("full")
	}
	if err == nil {
		err = os.Remove(ballast)
	}
	if err != nil {
		return m, err
	}
	return p.next("full again")
}

// openAndKill opens the database in a child, and kills it.
func (r *run) openAndKill(s spec) (m message, err error) {
	p, err := r.start(s, nil)
	if err != nil {
		return m, err
	}
	defer p.kill()
	return p.until("opened")
}

// fillDisk opens a database, fills the disk, and tries what may go on there.
func fillDisk(c *child) error {
	l, err := c.openLoad()
	if errors.Is(err, lightningdb.ErrNoSpace) && !errors.Is(err, lightningdb.ErrCorrupt) {
		return c.stop(message{Phase: "opened", Numbers: map[string]int64{"no space": 1}})
	}
	if err != nil {
		return err
	}
	n := map[string]int64{"opening": int64(l.Opening)}
	err = errors.Join(compare(l, n), c.stop(message{Phase: "opened", Numbers: n}), l.Fill())
	for _, w := range l.Writers { // no delete is sure to be taken here
		deleted, _, failed := w.Remove(0, 2, 100)
		n["deleted"] += int64(deleted)
		err = errors.Join(err, failed)
	}
	if err := errors.Join(err, compare(l, n), c.stop(message{Phase: "full", Numbers: n})); err != nil {
		return err
	}
	took, err := l.UntilTaken()
	n["resumed"] = int64(took)
	if err := errors.Join(err, l.Fill(), compare(l, n)); err != nil {
		return err
	}
	return c.stop(message{Phase: "full again", Numbers: n}) // here it is killed
}
