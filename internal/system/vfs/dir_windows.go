package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// openNoWait does nothing: named pipes live in a directory of their own here.
const openNoWait = 0

// aboveStandardStreams does nothing: the standard streams are not known by the numbers of their handles.
func aboveStandardStreams(f *os.File) (*os.File, error) { return f, nil }

// transient reports whether err says that another program has a file open in a way that excludes the operation, or
// is about to close a file that was removed.
func transient(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
		errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// checkOpen returns fs.ErrClosed if f is closed. On Windows some methods of os.File say that the handle is invalid.
func checkOpen(f *os.File) error {
	return withHandle(f, func(windows.Handle) error { return nil })
}

// withHandle runs call on f's handle, which cannot be closed meanwhile.
func withHandle(f *os.File, call func(windows.Handle) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if closed := conn.Control(func(h uintptr) { result = call(windows.Handle(h)) }); closed != nil {
		return fs.ErrClosed // Control fails for no other reason, but its error does not match fs.ErrClosed
	}
	return result
}

// syncDirectory only checks that d is open: directories cannot be flushed, and NTFS journals its names.
func syncDirectory(d *os.File) error { return checkOpen(d) }

// syncPath does nothing, for the same reason.
func syncPath(string) error { return nil }

// syncAround does nothing: the name of the directory at path is durable already.
func syncAround(string) error { return nil }

// cannotSync reports whether a directory can never be synced. No directory fails here.
func cannotSync(error) bool { return false }

func freeBytes(d *os.File) (free uint64, err error) {
	if err := checkOpen(d); err != nil {
		return 0, err
	}
	path, err := windows.UTF16PtrFromString(d.Name())
	if err != nil {
		return 0, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &free, nil, nil)
	return free, err
}

// lockFile locks one byte far behind the content of f, which stays readable, and reports whether somebody else has
// it.
func lockFile(f *os.File, mode LockMode) (taken bool, err error) {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if mode == Exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err = withHandle(f, func(h windows.Handle) error { return windows.LockFileEx(h, flags, 0, 1, 0, &at) })
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return true, nil
	}
	return false, err
}

// lockDirectory does nothing: this system has no kernel lock of directories, and the lock file must do alone.
func lockDirectory(*os.File, LockMode) (taken bool, err error) { return false, nil }

// unlockFile does nothing: the lock ends when f is closed.
func unlockFile(*os.File) error { return nil }

func isPlatformNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// linkFile makes the file name of from one of to as well, by the paths of both: if they lead to other directories by
// now, there is a link to another file, which is removed again.
func linkFile(from, to *osDir, name string) error {
	if _, err := to.root.Lstat(name); err == nil {
		return fs.ErrExist
	}
	if err := os.Link(filepath.Join(from.path, name), filepath.Join(to.path, name)); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	is, err := from.root.Stat(name)
	if err != nil {
		return err
	}
	if made, err := to.root.Stat(name); err != nil || !os.SameFile(is, made) {
		return errors.Join(fmt.Errorf("%w: the directories were moved", errors.ErrUnsupported), to.root.Remove(name))
	}
	return nil
}
