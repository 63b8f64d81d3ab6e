package checkpoint

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Names of what a stream has besides the files of a database.
const (
	descriptionName = "lightning-backup.json" // first
	sumsName        = "SHA256SUMS"            // last, as sha256sum -c reads it
)

// Description is what a stream says of itself, in JSON, before all else.
type Description struct {
	Format   int       `json:"format"`   // 1
	Database string    `json:"database"` // id of the database that was copied, in hexadecimal
	Sequence uint64    `json:"sequence"` // of the newest commit in it
	Time     time.Time `json:"time"`     // when it was begun
	Files    Names     `json:"files"`    // in the order in which they follow
}

// Named is a file in a description.
type Named struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
}

// Names are the files of a description. They are read from JSON no further than MaxFiles.
type Names []Named

// UnmarshalJSON is that of json.Unmarshaler.
func (n *Names) UnmarshalJSON(text []byte) error { return UnmarshalList(text, (*[]Named)(n)) }

// UnmarshalList reads a list in JSON into list, no further than MaxFiles: a few bytes of text may stand for many of
// memory.
func UnmarshalList[T any](text []byte, list *[]T) error {
	in := json.NewDecoder(bytes.NewReader(text))
	if t, err := in.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("files is no list")
	}
	for in.More() {
		if len(*list) == MaxFiles {
			return fmt.Errorf("more than %d files", MaxFiles)
		}
		var one T
		if err := in.Decode(&one); err != nil {
			return err
		}
		*list = append(*list, one)
	}
	return nil
}

// streamFormat is the one that is written, and the newest that is read.
const streamFormat = 1

// WriteStream writes the copy to w, as a tar. Each table is checked as Verify does before it is written: damage is not
// handed on. progress, which may be nil, is told how many bytes have been written of all, about.
func (c *Copy) WriteStream(ctx context.Context, w io.Writer, now time.Time,
	progress func(done, total int64)) (*Description, error) {
	s := &stream{ctx: ctx, copy: c, tar: tar.NewWriter(w), now: now, progress: progress}
	if err := s.write(); err != nil {
		return nil, err
	}
	return &s.description, s.tar.Close()
}

// stream is one WriteStream.
type stream struct {
	ctx         context.Context
	copy        *Copy
	tar         *tar.Writer
	now         time.Time
	description Description
	sums        strings.Builder

	progress    func(done, total int64)
	done, total int64
}

func (s *stream) write() error {
	s.description = Description{Format: streamFormat, Database: hex.EncodeToString(s.copy.Source[:]),
		Sequence: s.copy.Sequence, Time: s.now}
	for _, f := range s.copy.Files {
		s.description.Files = append(s.description.Files, Named{f.Name, f.Size})
		s.total += f.Size
	}
	text, err := json.MarshalIndent(&s.description, "", "\t")
	if err == nil {
		err = s.add(descriptionName, strings.NewReader(string(text)+"\n"), int64(len(text))+1)
	}
	if err != nil {
		return err
	}
	for _, f := range s.copy.Files {
		if err := s.addFile(f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return s.add(sumsName, strings.NewReader(s.sums.String()), int64(s.sums.Len()))
}

func (s *stream) addFile(f File) error {
	if err := s.copy.Check(f); err != nil {
		return err
	}
	in, err := s.copy.Open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	return s.add(f.Name, io.NewSectionReader(in, 0, f.Size), f.Size)
}

// add adds one file, and its sum.
func (s *stream) add(name string, content io.Reader, size int64) error {
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: s.now}
	if err := s.tar.WriteHeader(&h); err != nil {
		return err
	}
	sum := sha256.New()
	buffer := make([]byte, min(size, 1<<20))
	for left := size; left > 0; {
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		p := buffer[:min(left, int64(len(buffer)))]
		if _, err := io.ReadFull(content, p); err != nil {
			return fmt.Errorf("%s is shorter than it was: %w", name, err)
		}
		sum.Write(p)
		if _, err := s.tar.Write(p); err != nil {
			return err
		}
		left -= int64(len(p))
		s.done += int64(len(p))
		if s.progress != nil {
			s.progress(min(s.done, s.total), s.total)
		}
	}
	fmt.Fprintf(&s.sums, "%x  %s\n", sum.Sum(nil), name)
	return nil
}
