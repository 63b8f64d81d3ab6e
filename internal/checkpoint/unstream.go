package checkpoint

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// ErrBadBackup says that a backup is cut, was changed, or is none.
var ErrBadBackup = errors.New("this is no whole backup")

// Bounds of what is read of a stream before anything is believed.
const (
	maxDescription = 128 << 20 // bytes: a million files, of which each takes less than a hundred
	MaxFiles       = 1 << 20
	MaxBytes       = 1 << 50 // of all files together
)

// ReadStream reads what WriteStream has written, and writes the files of the database to dir, durable in content: those
// of the description and no other, each under the plain name of a file of a database, as long as it says, with the
// digest that the end of the stream has for it. After an error dir holds a part of them. progress, which may be nil, is
// told how many bytes of how many have been read.
func ReadStream(ctx context.Context, r io.Reader, dir vfs.FS, progress func(done, total int64)) (*Description, error) {
	u := &unstream{ctx: ctx, tar: tar.NewReader(r), dir: dir, sums: map[string]string{}, progress: progress}
	if err := u.read(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	// What follows the end of the tar belongs to it if it is zeros, or nothing: a pipe must be read to its end.
	if err := onlyZeros(r); err != nil {
		return nil, err
	}
	return &u.description, nil
}

// unstream is one ReadStream.
type unstream struct {
	ctx         context.Context
	tar         *tar.Reader
	dir         vfs.FS
	description Description
	sums        map[string]string // hexadecimal, by name

	progress    func(done, total int64)
	done, total int64
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadBackup, fmt.Sprintf(format, args...))
}

func (u *unstream) read() error {
	if err := u.readDescription(); err != nil {
		return err
	}
	for _, f := range u.description.Files {
		if err := u.readFile(f); err != nil {
			return err
		}
	}
	if err := u.readSums(); err != nil {
		return err
	}
	switch h, err := u.tar.Next(); {
	case err == io.EOF:
		return nil
	case err != nil:
		return bad("it does not end as a tar: %v", err)
	default:
		return bad("%q follows its end", h.Name)
	}
}

// next goes on to the next file of the tar, which must be name.
func (u *unstream) next(name string) (size int64, err error) {
	h, err := u.tar.Next()
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, bad("it ends before %s", name)
	case err != nil:
		return 0, bad("no tar in the place of %s: %v", name, err)
	case h.Typeflag != tar.TypeReg || h.Name != name:
		return 0, bad("%q in the place of %s", h.Name, name)
	}
	for k := range h.PAXRecords { // a file of holes may be of any size
		if strings.HasPrefix(k, "GNU.sparse") {
			return 0, bad("%s is sparse", name)
		}
	}
	return h.Size, nil
}

func (u *unstream) readDescription() error {
	size, err := u.next(descriptionName)
	if err != nil {
		return err
	}
	if size > maxDescription {
		return bad("its description has %d bytes", size)
	}
	text, err := io.ReadAll(u.tar)
	if err != nil {
		return bad("it ends in %s", descriptionName)
	}
	if err := json.Unmarshal(text, &u.description); err != nil {
		return bad("%s: %v", descriptionName, err)
	}
	sum := sha256.New()
	sum.Write(text)
	u.note(descriptionName, sum)
	return u.checkDescription()
}

func (u *unstream) note(name string, sum hash.Hash) { u.sums[name] = hex.EncodeToString(sum.Sum(nil)) }

// checkDescription refuses what no backup of a database has, before anything is written.
func (u *unstream) checkDescription() error {
	d := &u.description
	if d.Format > streamFormat {
		return fmt.Errorf("the backup is of format %d, and this program reads those up to %d: use a newer one",
			d.Format, streamFormat)
	}
	if d.Format < 1 || len(d.Files) < 2 || len(d.Files) > MaxFiles {
		return bad("format %d, %d files", d.Format, len(d.Files))
	}
	listed := make(Listed, len(d.Files))
	for _, f := range d.Files {
		if err := listed.Add(f.Name, f.Size, &u.total); err != nil {
			return err
		}
	}
	return nil
}

// Listed is the names of the files that a backup says it has.
type Listed map[string]bool

// Add refuses a name that no file of a copy has, or that was added before, and a size that cannot be. The bytes of all
// of them are total.
func (l Listed) Add(name string, size int64, total *int64) error {
	kind, num := filename.Parse(name)
	ours := kind == filename.Table || kind == filename.Manifest || kind == filename.Current
	if !ours || filename.Make(kind, num) != name || l[name] {
		return bad("%q is no name of a file in it, or is there twice", name)
	}
	if size < 0 || size > MaxBytes-*total {
		return bad("%s has %d bytes", name, size)
	}
	l[name] = true
	*total += size
	return nil
}

func (u *unstream) readFile(f Named) error {
	size, err := u.next(f.Name)
	if err != nil {
		return err
	}
	if size != f.Size {
		return bad("%s has %d bytes, and is to have %d", f.Name, size, f.Size)
	}
	out, err := u.dir.Create(f.Name)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = vfs.CopyTo(u.ctx, out, u.tar, f.Size, func(p []byte) {
		sum.Write(p)
		u.done += int64(len(p))
		if u.progress != nil {
			u.progress(u.done, u.total)
		}
	})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = bad("it ends in %s", f.Name)
	}
	u.note(f.Name, sum)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// readSums compares the digests at the end of the stream with what was read.
func (u *unstream) readSums() error {
	size, err := u.next(sumsName)
	if err != nil {
		return err
	}
	if size > maxDescription {
		return bad("%s has %d bytes", sumsName, size)
	}
	lines := bufio.NewScanner(u.tar)
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		is, read := u.sums[name]
		if !ok || !read {
			return bad("%s has a line %q", sumsName, lines.Text())
		}
		if sum != is {
			return bad("%s was changed: its SHA-256 is %s, and was %s", name, is, sum)
		}
		delete(u.sums, name)
	}
	if err := lines.Err(); err != nil {
		return bad("%s: %v", sumsName, err)
	}
	for name := range u.sums {
		return bad("%s lacks %s", sumsName, name)
	}
	return nil
}

// onlyZeros reads r to its end.
func onlyZeros(r io.Reader) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := r.Read(buffer)
		for _, b := range buffer[:n] {
			if b != 0 {
				return bad("something follows its end")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
