package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"lightningdb/internal/archive"
	"lightningdb/internal/system/calls"
)

// VerifyOptions configures a Verify. The zero value, and nil, looks at names and sizes.
type VerifyOptions struct {
	// ReadData reads every file that a backup names, and compares its digest; and every piece of an archive.
	ReadData bool

	// Progress is told of the bytes that were read with ReadData. nil for nobody.
	Progress func(done, total int64)
}

// Verify looks whether every file that a backup names is there and whole. It returns an error for each damage, joined:
// ErrBadBackup for each file of each backup that is missing, cut or changed, and for each backup that cannot be read;
// and one for each file that is none of a repository's, which nothing ever touches. With ReadData it is an ErrBadPiece
// for each piece of an archive that is damaged, or does not follow the one before it; that the newest ones are missing,
// or the oldest behind a base, cannot be told. Backups may be made and pruned, and commits archived, meanwhile. o may
// be nil.
func (r *Repository) Verify(ctx context.Context, o *VerifyOptions) error {
	ctx = calls.OrBackground(ctx)
	if err := r.check(ctx); err != nil {
		return err
	}
	v := &verification{r: r, o: cmp.Or(o, &VerifyOptions{}), there: make(map[string]int64),
		problems: make(map[string]string), unread: make(map[string]bool)}
	return v.run(ctx)
}

// verification is one Verify.
type verification struct {
	r        *Repository
	o        *VerifyOptions
	there    map[string]int64  // the size of each file in files/
	problems map[string]string // by place: what is wrong there
	unread   map[string]bool   // backups, by id
	damage   []error
	done     int64
	total    int64
}

func (v *verification) run(ctx context.Context) error {
	// The backups first: what is named by one that stays is there when the files are listed. The backups last as well:
	// those that were pruned meanwhile have lost their files before.
	named, err := v.named(ctx)
	if err != nil {
		return err
	}
	if err := v.list(ctx); err != nil {
		return err
	}
	for place, f := range named {
		if err := v.look(ctx, place, f); err != nil {
			return err
		}
	}
	if err := v.report(ctx); err != nil {
		return err
	}
	if v.o.ReadData {
		damage, err := archive.Check(ctx, NewArchive(v.r), v.progress)
		if err != nil {
			return err
		}
		v.damage = append(v.damage, damage...)
	}
	return errors.Join(v.damage...)
}

// named is every file that a backup names, by place. It notes which backups cannot be read.
func (v *verification) named(ctx context.Context) (map[string]storedFile, error) {
	named := make(map[string]storedFile)
	return named, v.r.each(ctx, func(id string, d *description, err error) error {
		if err != nil {
			v.damage, v.unread[id] = append(v.damage, err), true
			return nil
		}
		for _, f := range d.Files {
			if _, ok := named[f.place()]; !ok {
				v.total += f.Size
			}
			named[f.place()] = f
		}
		return nil
	})
}

// report notes what is wrong with each backup.
func (v *verification) report(ctx context.Context) error {
	return v.r.each(ctx, func(id string, d *description, err error) error {
		if err != nil {
			if !v.unread[id] {
				v.damage = append(v.damage, err)
			}
			return nil
		}
		for _, f := range d.Files {
			if problem, ok := v.problems[f.place()]; ok {
				v.damage = append(v.damage, bad("backup %s: %s (%s) %s", id, f.Name, f.place(), problem))
			}
		}
		return nil
	})
}

// list lists the repository.
func (v *verification) list(ctx context.Context) error {
	for e, err := range v.r.store.List(ctx, "") {
		if err != nil {
			return err
		}
		if _, ok := parsePlace(e.Name); ok {
			v.there[e.Name] = e.Size
		} else if !isOurs(e.Name) {
			v.damage = append(v.damage, fmt.Errorf("%s is no file of a repository", e.Name))
		} else if archive.IsName(e.Name) {
			v.total += e.Size
		}
	}
	return nil
}

// isOurs reports whether a repository has files with a name, those in files/ left aside.
func isOurs(name string) bool {
	if _, ok := parseDescriptionName(name); ok || name == marker || name == repositoryLock || archive.IsName(name) {
		return true
	}
	dir, base, _ := strings.Cut(name, "/")
	switch dir + "/" {
	case leases, marks, beats:
		return isID(base)
	case uploads:
		return isHex(base, 16)
	}
	return false
}

// look notes what is wrong with a place that is named.
func (v *verification) look(ctx context.Context, place string, f storedFile) error {
	if size, ok := v.there[place]; !ok {
		v.problems[place] = "is missing"
		return nil
	} else if size != f.Size {
		v.problems[place] = fmt.Sprintf("has %d bytes of %d", size, f.Size)
		return nil
	}
	if !v.o.ReadData {
		return nil
	}
	in, err := v.r.store.Open(ctx, place)
	if errors.Is(err, fs.ErrNotExist) {
		v.problems[place] = "is missing"
		return nil
	}
	if errors.Is(err, ErrBadBackup) {
		v.problems[place] = "cannot be read: " + err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, untilDone{ctx, in})
	if err = errors.Join(err, in.Close()); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		v.problems[place] = "cannot be read: " + err.Error()
	} else if is := hex.EncodeToString(sum.Sum(nil)); is != f.Digest {
		v.problems[place] = "was changed: its SHA-256 is " + is
	}
	v.progress(f.Size)
	return nil
}

// progress tells that some more bytes were read.
func (v *verification) progress(bytes int64) {
	v.done += bytes
	if v.o.Progress != nil {
		v.o.Progress(v.done, max(v.done, v.total)) // pieces that were put meanwhile are read too
	}
}
