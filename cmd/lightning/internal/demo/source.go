package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"lightningdb"
)

// ErrNoSource says that there is nothing to load.
var ErrNoSource = errors.New("no source files")

// errSourceChanged says that the source is not at rest, so that nothing can be compared with it.
var errSourceChanged = errors.New("the source changed during the demo; run it on a tree at rest")

// tree is the list of files to load.
type tree struct {
	root    string
	files   []sourceFile // in walking order: sorted within each directory
	bytes   int64        // of all files
	skipped int          // files larger than a value may be
}

// sourceFile is a file as it was when the tree was walked.
type sourceFile struct {
	path string // relative to the root, with slashes
	info fs.FileInfo
}

// sourceDir is the directory to load: the one asked for, or the source of the Go standard library.
func sourceDir(ctx context.Context, asked string) (string, error) {
	if asked != "" {
		return filepath.Abs(asked)
	}
	for _, goroot := range []string{askGo(ctx), fallbackGoroot()} {
		dir := filepath.Join(goroot, "src")
		if info, err := os.Stat(dir); goroot != "" && err == nil && info.IsDir() {
			return filepath.EvalSymlinks(dir)
		}
	}
	return "", fmt.Errorf("%w: found no Go installation, whose standard library is the default; use --source", ErrNoSource)
}

// askGo is the installation directory of the go command on the path, or empty.
func askGo(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func fallbackGoroot() string {
	//lint:ignore SA1019 the go command was asked first; this is the second best answer
	return runtime.GOROOT()
}

// walk lists the regular files under root. What cannot be read is an error: a demo on half of a tree proves little.
func walk(ctx context.Context, root string) (*tree, error) {
	t := &tree{root: root}
	if err := t.list(ctx, root); err != nil {
		return nil, fmt.Errorf("list the source: %w", err)
	}
	if len(t.files) == 0 {
		return nil, fmt.Errorf("%w in %s; name another directory with --source", ErrNoSource, root)
	}
	return t, nil
}

// list adds what is in dir and below, in order. It follows dir itself if that is a link, as filepath.WalkDir does not.
func (t *tree) list(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = t.list(ctx, path)
		case info.Mode().IsRegular():
			err = t.add(path, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) add(path string, info fs.FileInfo) error {
	if info.Size() > lightningdb.MaxValueSize {
		t.skipped++
		return nil
	}
	relative, err := filepath.Rel(t.root, path)
	if err != nil {
		return err
	}
	t.files = append(t.files, sourceFile{path: filepath.ToSlash(relative), info: info})
	t.bytes += info.Size()
	return nil
}

// read returns the content of f, or errSourceChanged if the file is not the one that was listed.
func (t *tree) read(f sourceFile) (string, error) {
	name := filepath.Join(t.root, filepath.FromSlash(f.path))
	content, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	now, err := os.Lstat(name)
	if err != nil {
		return "", err
	}
	if int64(len(content)) != f.info.Size() || now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) {
		return "", fmt.Errorf("%s: %w", name, errSourceChanged)
	}
	return string(content), nil
}
