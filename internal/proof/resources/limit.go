package resources

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"lightningdb/internal/proof/latency"
	"lightningdb/internal/proof/ledger"
	"lightningdb/internal/proof/probe"

	"lightningdb/internal/proof/crew"
)

// limitBound is the bound of what all files have together, and what goes on where no more is taken.
var limitBound = Bound{
	Name:   "limit",
	Says:   "all files stay under DiskLimit; what is refused is not there; reads, deletes, Open go on, writes come back",
	Option: "DiskLimit",
	Metric: "DiskBytes, Disk",
	Takes:  150 * time.Second,

	measure: measureLimit,
}

// The load at scale 1.
const (
	limitBytes  = 512 << 20
	limitLoad   = 40 * time.Second
	limitBlock  = 4 << 10         // a file may take so much more than its length
	limitReturn = 5 * time.Second // until writes are taken after enough was deleted
	limitKill   = 20              // looks until the kill
)

func measureLimit(r *run) error {
	s := spec{Role: "limit", Dir: r.path("db"), Ledgers: r.path("ledgers"), MemoryLimit: diskMemoryLimit,
		DiskLimit: r.bytes(limitBytes, 64<<20), For: r.time(limitLoad, 4*time.Second)}
	s.Bytes = s.DiskLimit / 64
	if err := errors.Join(r.needSpace(s.DiskLimit*5/4), os.Mkdir(s.Ledgers, 0o700)); err != nil {
		return err
	}
	held, err := r.killAtLimit(s)
	if errors.Is(err, errors.ErrUnsupported) {
		r.skip("what all files have", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	s.Role = "limited"
	if err := r.reopenAtLimit(s, &held); err != nil {
		return err
	}
	judge(r, "highest length of all files", held.Length, s.DiskLimit, sizeText)
	judge(r, "highest blocks of all files", held.Blocks, s.DiskLimit+held.Files*limitBlock, sizeText)
	r.show("of them, removed ones that were open", sizeText(held.Removed))
	return r.fillSmallDisk()
}

// killAtLimit has writers write without a pause, and kills them while they are at the limit. It returns what all files
// had at most.
func (r *run) killAtLimit(s spec) (probe.Held, error) {
	p, err := r.start(s, nil)
	if err != nil {
		return probe.Held{}, err
	}
	defer p.kill()
	p.exact = true
	m, err := p.until("driven")
	if err != nil {
		return probe.Held{}, err
	}
	n := m.Numbers
	r.show("puts, deletes", fmt.Sprintf("%d, %d", n["a put"], n["a delete"]))
	for _, kind := range []string{"a put", "a delete"} {
		r.show(kind+" took: p50, p99, longest", fmt.Sprintf("%s, %s, %s", timeText(time.Duration(n[kind+" p50"])),
			timeText(time.Duration(n[kind+" p99"])), timeText(time.Duration(n[kind+" longest"]))))
	}
	r.check("puts refused", fmt.Sprint(n["refused"]), "> 0", n["refused"] > 0)
	r.check("by the metrics", fmt.Sprint(n["counted"]), fmt.Sprint(n["refused"]), n["counted"] == n["refused"])
	r.check("of another cause than DiskLimit", fmt.Sprint(n["odd"]), "0", n["odd"] == 0)
	r.check("reads meanwhile", fmt.Sprint(n["reads"]), "> 0", n["reads"] > 0)
	err = p.goOn()
	for i := 0; i < limitKill && err == nil; i++ {
		time.Sleep(sampleInterval)
		err = p.look()
	}
	return p.held, err
}

// reopenAtLimit opens a database whose writers were killed, fills it again, and deletes. It raises held to what all
// files had at most.
func (r *run) reopenAtLimit(s spec, held *probe.Held) error {
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	p.exact = true
	m, err := p.until("returned")
	if err != nil {
		return err
	}
	const at = "killed at the limit: "
	r.judgeKeys(at, m.Numbers)
	for _, part := range limitParts {
		took := time.Duration(m.Numbers[part.name])
		r.judgeTime(at+part.name+" deleted, until writes are taken", took, limitReturn)
	}
	r.check(at+"then refused, of a quarter as many", fmt.Sprint(m.Numbers["refused"]), "0", m.Numbers["refused"] == 0)
	held.Raise(p.held)
	return p.end()
}

// judgeKeys judges what an opened database has of what its writers were told.
func (r *run) judgeKeys(at string, n map[string]int64) {
	r.show(at+"time of Open", timeText(time.Duration(n["opening"])))
	r.check(at+"keys that are not as acknowledged", fmt.Sprint(n["wrong"]), fmt.Sprintf("0 of %d", n["keys"]),
		n["wrong"] == 0)
}

// limitParts are what is deleted of a full database: the first of every few keys.
var limitParts = []struct {
	name  string
	every uint64
}{{"an eighth", 8}, {"half", 2}}

// openLoad opens the database of the spec, and the ledgers of those who write to it.
func (c *child) openLoad() (*ledger.Load, error) {
	return ledger.OpenLoad(c.Dir, c.options(), c.Ledgers, int(c.Bytes), c.Seed)
}

// writeAtLimit writes and reads for the time of the spec, and after that until it is killed.
func writeAtLimit(c *child) error {
	l, err := c.openLoad()
	if err != nil {
		return err
	}
	if err := l.Fill(); err != nil {
		return errors.Join(err, l.Close())
	}
	watching := crew.New(c.For)
	c.watch(watching, "at the limit", nil, 0)
	if err := errors.Join(l.Drive(c.For), watching.Wait()); err != nil {
		return errors.Join(err, l.Close())
	}
	puts, deletes, refused := l.Waits()
	n := map[string]int64{"reads": l.Reads.Load(), "odd": l.Odd.Load(), "refused": refused,
		"counted": int64(l.DB.Metrics().Disk.Refused)}
	for kind, h := range map[string]*latency.Histogram{"a put": &puts, "a delete": &deletes} {
		n[kind], n[kind+" p50"], n[kind+" p99"] = h.Count(), int64(h.Quantile(500)), int64(h.Quantile(990))
		n[kind+" longest"] = int64(h.Longest())
	}
	if err := c.stop(message{Phase: "driven", Numbers: n}); err != nil {
		return errors.Join(err, l.Close())
	}
	return errors.Join(l.Drive(0), l.Close())
}

// returnFromLimit opens a full database, has it full again and again, deletes, and goes on.
func returnFromLimit(c *child) error {
	l, err := c.openLoad()
	if err != nil {
		return err
	}
	n := map[string]int64{"opening": int64(l.Opening)}
	if err := c.deleteAndGoOn(l, n); err != nil {
		return errors.Join(err, l.Close())
	}
	return errors.Join(c.stop(message{Phase: "returned", Numbers: n}), l.Close())
}

func (c *child) deleteAndGoOn(l *ledger.Load, n map[string]int64) error {
	if err := compare(l, n); err != nil { // what the kill has left
		return err
	}
	for i, part := range limitParts {
		c.tell("delete "+part.name, int64(i), int64(len(limitParts)))
		err := errors.Join(l.Fill(), compare(l, n), l.Remove(part.every, math.MaxInt))
		if err != nil {
			return err
		}
		took, err := l.UntilTaken()
		if err != nil {
			return err
		}
		n[part.name] = int64(took)
		if n["refused"], err = l.PutMore(n["keys"] / int64(part.every) / 4); err != nil {
			return err
		}
	}
	return compare(l, n)
}

// compare adds to numbers how many keys are not as their writers were told.
func compare(l *ledger.Load, n map[string]int64) error {
	wrong, keys, err := l.Compare()
	n["wrong"] += wrong
	n["keys"] = keys
	return err
}
