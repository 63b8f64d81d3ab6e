package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// openNoWait is nothing: named pipes live in a directory of their own here.
const openNoWait = 0

// aboveStandardStreams has nothing to do: handles are not numbered by standard stream.
func aboveStandardStreams(f *os.File) (*os.File, error) { return f, nil }

// syncDirectory has nothing to do: directories cannot be flushed, NTFS journals its names.
func syncDirectory(*os.File) error { return nil }

func freeBytes(d *os.File) (free uint64, err error) {
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
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return true, nil
	}
	return false, err
}

// lockDirectory has nothing to do: no kernel lock of directories exists here, the lock file has to do alone.
func lockDirectory(*os.File, LockMode) (taken bool, err error) { return false, nil }

func isPlatformNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
