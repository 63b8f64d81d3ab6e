package vfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// openNoWait is nothing: named pipes live in a directory of their own here.
const openNoWait = 0

// aboveStandardStreams has nothing to do: handles are not numbered by standard stream.
func aboveStandardStreams(f *os.File) (*os.File, error) { return f, nil }

// transient reports whether err says that another program has a file open in a way that excludes what was asked for, or
// is about to let go of one that was removed.
func transient(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
		errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// checkOpen is fs.ErrClosed if f is closed. Some methods of os.File say on Windows that the handle is invalid.
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
		return fs.ErrClosed // Control fails for no other reason, but with an error that does not say it so
	}
	return result
}

// syncDirectory has nothing to do: directories cannot be flushed, NTFS journals its names.
func syncDirectory(d *os.File) error { return checkOpen(d) }

// syncPath has nothing to do, for the same reason.
func syncPath(string) error { return nil }

// syncAround makes the name of the directory at path durable, which it is.
func syncAround(string) error { return nil }

// cannotSync reports whether a directory can never be synced. None fails here.
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

// lockFile locks one byte far behind the content of f, which stays readable, and reports whether somebody else
// has it.
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

// lockDirectory has nothing to do: no kernel lock of directories exists here, the lock file has to do alone.
func lockDirectory(*os.File, LockMode) (taken bool, err error) { return false, nil }

// unlockFile does nothing: the lock ends when f is closed.
func unlockFile(*os.File) error { return nil }

func isPlatformNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
