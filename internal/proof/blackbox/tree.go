package blackbox

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lightningdb/internal/system/vfs/memfs"
)

// ReplayTree is Replay for a run that also works in a tree of directories below tree, which is empty when it begins.
// Files of the tree are written from front to back, and get further names; directories stay where they are. It calls do
// after each call that changed the tree, and as Replay does.
func ReplayTree(trace io.Reader, dir, tree string, do func(Moment, *Tree) error) error {
	t := &Tree{path: filepath.Clean(tree), root: newFolder(), began: make(map[int]sync)}
	r := newReplay(dir, func(m Moment) error { return do(m, t) })
	r.tree = t
	return ReadTrace(trace, r.call)
}

// Tree is directories and files, and what of them is durable: of a directory the names that were there when its last
// sync began, of a file its bytes then.
type Tree struct {
	path  string
	root  *node
	began map[int]sync // by thread
}

// node is a directory or a file.
type node struct {
	changes []change // of a directory: all names that it was given, or that were taken from it
	folder  bool
	content []byte // of a file
	durable int    // changes or bytes that a power cut leaves
}

// change is a new name of a node, or the end of a name if there is no node.
type change struct {
	name string
	to   *node
}

// sync is one that has begun, and what it will cover.
type sync struct {
	of     *node
	covers int
}

func newFolder() *node { return &node{folder: true} }

// size is how many changes or bytes there are.
func (n *node) size() int {
	if n.folder {
		return len(n.changes)
	}
	return len(n.content)
}

// names is what a directory holds after some of its changes.
func names(changes []change) map[string]*node {
	there := make(map[string]*node)
	for _, c := range changes {
		if c.to == nil {
			delete(there, c.name)
		} else {
			there[c.name] = c.to
		}
	}
	return there
}

// at is what has a path; nil if it is not of the tree, or nothing is there.
func (t *Tree) at(path string) *node {
	rel, err := filepath.Rel(t.path, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return nil
	}
	n := t.root
	for _, name := range strings.Split(rel, "/") {
		if name != "." && n != nil {
			n = names(n.changes)[name]
		}
	}
	return n
}

// set changes a name. It reports whether that is of the tree.
func (t *Tree) set(path string, to *node) bool {
	in := t.at(filepath.Dir(path))
	if in != nil {
		in.changes = append(in.changes, change{filepath.Base(path), to})
	}
	return in != nil
}

// begin notes what a sync will cover.
func (t *Tree) begin(r *replay, c *Call) {
	if c.Name != "fsync" && c.Name != "fdatasync" {
		return
	}
	delete(t.began, c.Thread)
	if f := r.descriptor(c, 0); f != nil && f.node != nil {
		t.began[c.Thread] = sync{f.node, f.node.size()}
	}
}

// end performs a call that succeeded. It is after the one of replay, which knows descriptors.
func (t *Tree) end(r *replay, c *Call) (changed bool, err error) {
	switch c.Name {
	case "openat":
		f := r.files[c.Result]
		f.node = t.at(f.path)
		if f.node == nil && c.has(2, "O_CREAT") {
			n := new(node)
			if changed = t.set(f.path, n); changed {
				f.node = n
			}
		}
		return changed, nil
	case "write":
		return t.write(r, c)
	case "fsync", "fdatasync":
		s := t.began[c.Thread]
		if s.of != nil {
			s.of.durable = max(s.of.durable, s.covers)
		}
		return s.of != nil, nil
	case "mkdirat":
		path, err := r.resolve(c, c.Args[0], 1)
		return err == nil && t.set(path, newFolder()), err
	case "unlinkat":
		path, err := r.resolve(c, c.Args[0], 1)
		return err == nil && t.set(path, nil), err
	case "renameat", "renameat2", "linkat":
		return t.name(r, c)
	case "pwrite64", "fallocate", "ftruncate":
		if f := r.descriptor(c, 0); f != nil && f.node != nil {
			return false, fmt.Errorf("%s of a file of the tree: cannot follow this call", c.Name)
		}
	}
	return false, nil
}

func (t *Tree) write(r *replay, c *Call) (changed bool, err error) {
	f := r.descriptor(c, 0)
	if f == nil || f.node == nil || c.Result == 0 {
		return false, nil
	}
	data, err := c.text(1)
	if err != nil || int64(len(data)) < c.Result {
		return false, errors.Join(fmt.Errorf("%d bytes recorded of %d", len(data), c.Result), err)
	}
	if f.treeAt != len(f.node.content) {
		return false, errors.New("cannot follow a file of the tree that is not written from front to back")
	}
	f.node.content = append(f.node.content, data[:c.Result]...)
	f.treeAt = len(f.node.content)
	return true, nil
}

// name renames or links.
func (t *Tree) name(r *replay, c *Call) (changed bool, err error) {
	from, err := r.resolve(c, c.Args[0], 1)
	if err != nil {
		return false, err
	}
	to, err := r.resolve(c, c.Args[2], 3)
	if err != nil {
		return false, err
	}
	n := t.at(from)
	if n == nil {
		return false, nil
	}
	if n.folder || !t.set(to, n) {
		return false, errors.New("cannot follow a directory that moves, nor a file that leaves the tree")
	}
	if c.Name != "linkat" {
		t.set(from, nil)
	}
	return true, nil
}

// WriteImage writes into dir, which is emptied first, what a power cut may leave, by policy and seed: None only what is
// durable, All everything, MetadataFirst all names, and zeros for the bytes that are not durable, RemovalsFirst of the
// names only the ends. Any other draws each change of a name by itself, and how much of the bytes is there.
func (t *Tree) WriteImage(dir string, policy memfs.Policy, seed uint64) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return t.root.write(dir, policy, rand.New(rand.NewPCG(seed, 7)))
}

func (n *node) write(path string, policy memfs.Policy, rng *rand.Rand) error {
	if !n.folder {
		return os.WriteFile(path, n.image(policy, rng), 0o600)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	left := slices.Clone(n.changes[:n.durable])
	for _, c := range n.changes[n.durable:] {
		keep := rng.IntN(2) == 0
		switch policy {
		case memfs.None:
			keep = false
		case memfs.All, memfs.MetadataFirst:
			keep = true
		case memfs.RemovalsFirst:
			keep = c.to == nil
		}
		if keep {
			left = append(left, c)
		}
	}
	there := names(left)
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if err := there[name].write(filepath.Join(path, name), policy, rng); err != nil {
			return err
		}
	}
	return nil
}

// image is what is left of the bytes of a file.
func (n *node) image(policy memfs.Policy, rng *rand.Rand) []byte {
	left := slices.Clone(n.content)
	switch policy {
	case memfs.None, memfs.RemovalsFirst:
		return left[:n.durable]
	case memfs.All:
		return left
	case memfs.MetadataFirst:
		clear(left[n.durable:])
		return left
	}
	left = left[:n.durable+rng.IntN(len(left)-n.durable+1)]
	clear(left[n.durable+rng.IntN(len(left)-n.durable+1):])
	return left
}
