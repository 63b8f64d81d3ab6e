package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/internal/proof/blackbox"
	"lightningdb/internal/system/vfs/memfs"
)

const repositoryVariable = "LIGHTNING_BLACKBOX_REPOSITORY"

// archived is a store that acknowledges what is archived. Its Flush makes a backup, and prunes what is older.
type archived struct {
	store
	repo *backup.Repository
}

func openArchived(dir, repository string) (archived, error) {
	repo, err := backup.OpenFolder(repository)
	if err != nil {
		return archived{}, err
	}
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 1 << 20,
		Archive: backup.NewArchive(repo), ArchiveInterval: 5 * time.Millisecond})
	return archived{store{db}, repo}, err
}

// wait waits until a branch has begun, and everything is in it.
func (a archived) wait() error {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		m := a.db.Metrics()
		if m.Archive.Branch != "" && m.Archive.Sequence >= m.Sequence {
			return nil
		}
		if time.Since(begun) > 20*time.Second {
			return fmt.Errorf("it is not archived: %+v", m.Archive)
		}
	}
}

func (a archived) Write(ops []blackbox.Op, sync bool) error {
	return errors.Join(a.store.Write(ops, sync), a.wait())
}

func (a archived) Flush() error {
	ctx := context.Background()
	_, err := a.repo.Create(ctx, a.db, nil)
	if err == nil {
		_, err = a.repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 1}})
	}
	return err
}

// cuts judges what power cuts leave of a repository and of the database that is archived there.
type cuts struct {
	*testing.T
	script  blackbox.Script
	scratch string
	stride  int

	moments, images, restored int
}

// sequence is that of the newest operation after step n.
func (c *cuts) sequence(n int) (seq uint64) {
	for i := range n {
		seq += uint64(len(c.script[i].Keys))
	}
	return seq
}

// moment looks at images after a call.
func (c *cuts) moment(m blackbox.Moment, tree *blackbox.Tree) error {
	c.moments++
	if c.moments%c.stride != 0 || !m.Opened {
		return nil
	}
	policies := []memfs.Policy{memfs.None, memfs.All, memfs.MetadataFirst, memfs.RemovalsFirst, memfs.Random}
	for _, policy := range []memfs.Policy{memfs.None, policies[c.images/2%len(policies)]} {
		seed := uint64(c.images)
		db, repository := filepath.Join(c.scratch, "db"), filepath.Join(c.scratch, "tree")
		err := errors.Join(blackbox.WriteImage(m.FS.Image(policy, seed), db), tree.WriteImage(repository, policy, seed))
		if err != nil {
			return err
		}
		c.images++
		if err := c.judge(m.Acked, db, filepath.Join(repository, "repository")); err != nil {
			c.Errorf("call %d (%s) after ok %d, %v:%d: %v", m.Line, m.Call, m.Acked, policy, seed, err)
		}
		if c.Failed() {
			return errors.New("the first image that is bad ends it")
		}
	}
	return nil
}

// judge demands that all which was acknowledged can be restored, that nothing that is listed is damaged, and that the
// archive goes on.
func (c *cuts) judge(acked int, db, repository string) error {
	ctx := context.Background()
	repo, err := backup.OpenFolder(repository)
	if err != nil {
		return err
	}
	if err := repo.Verify(ctx, &backup.VerifyOptions{ReadData: true}); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for _, step := range []int{acked, c.first(acked) + rand.IntN(acked-c.first(acked)+1)} {
		if err := c.restore(repo, c.sequence(step), c.script.Content(step)); err != nil {
			return fmt.Errorf("the state after step %d: %w", step, err)
		}
	}
	a, err := openArchived(db, repository)
	if err != nil {
		return err
	}
	var b lightningdb.Batch
	b.Put([]byte("after the power cut"), nil)
	err = errors.Join(a.db.Write(&b), a.wait())
	there := make(map[string]string)
	if err == nil {
		err = a.Entries(func(k, v []byte) { there[string(k)] = string(v) })
	}
	if err = errors.Join(err, a.Close()); err != nil {
		return err
	}
	err = c.restore(repo, b.Sequence(), there)
	return errors.Join(err, repo.Verify(ctx, &backup.VerifyOptions{ReadData: true}),
		c.restore(repo, c.sequence(acked), c.script.Content(acked)))
}

// first is the first step whose state a prune has not removed, or may be removing.
func (c *cuts) first(acked int) (step int) {
	for i := range min(acked+1, len(c.script)) {
		if c.script[i].Verb == "flush" {
			step = i
		}
	}
	return step
}

func (c *cuts) restore(repo *backup.Repository, seq uint64, want map[string]string) error {
	dir := filepath.Join(c.scratch, "restored")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	done, err := backup.RestoreTo(context.Background(), repo, dir, backup.Sequence(seq), nil)
	if err != nil {
		return err
	}
	s, err := open(dir)
	if err != nil {
		return err
	}
	got := make(map[string]string)
	err = s.Entries(func(k, v []byte) { got[string(k)] = string(v) })
	if done.Sequence != seq || !maps.Equal(got, want) {
		err = errors.Join(err, fmt.Errorf("%d keys of %d, at %d in the place of %d", len(got), len(want),
			done.Sequence, seq))
	}
	c.restored++
	return errors.Join(err, s.Close())
}

// archiveScript has commits, some larger than a page, and backups with prunes.
func archiveScript(steps int) (s blackbox.Script) {
	for i := range steps {
		switch {
		case i%6 == 5:
			s = append(s, blackbox.Step{Verb: "flush"})
		case i%4 == 3:
			s = append(s, blackbox.Step{Verb: "batch", Sync: true, Size: 3000, Keys: []string{"head", "-key1", "tail"}})
		default:
			s = append(s, blackbox.Step{Verb: "put", Sync: true, Size: 20 + 90*i, Keys: []string{fmt.Sprint("key", i%5)}})
		}
	}
	return s
}

// A power cut while a piece goes to a folder would take what was said to be archived, or leave half a piece, on which
// every later one rests.
func TestFolder_powerCutsKeepWhatIsArchived(t *testing.T) {
	if err := blackbox.Strace(); err != nil {
		t.Skipf("SKIPPED, no recorded system calls are judged here: %v (scripts/blackbox installs strace)", err)
	}
	steps, stride := 10, 9
	if *full {
		steps, stride = 24, 1
	}
	dir, tree, trace := filepath.Join(t.TempDir(), "db"), t.TempDir(), filepath.Join(t.TempDir(), "trace")
	s := archiveScript(steps)
	if err := blackbox.Record(archivingDriver(filepath.Join(tree, "repository")), dir, trace, s); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &cuts{T: t, script: s, scratch: scratch(t), stride: stride}
	if err := blackbox.ReplayTree(f, dir, tree, c.moment); err != nil {
		t.Fatal(err)
	}
	t.Logf("blackbox: archive moments=%d images=%d restored=%d", c.moments, c.images, c.restored)
	if c.images < 40 {
		t.Errorf("only %d images", c.images)
	}
}

// archivingDriver is the test binary as a driver that archives into a folder.
func archivingDriver(repository string) *exec.Cmd {
	cmd := driver()
	cmd.Env = append(cmd.Env, repositoryVariable+"="+repository)
	return cmd
}
