//go:build linux || darwin || freebsd

package vfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openNoWait keeps the opening of a pipe that was put in place of a file from waiting for its other end.
const openNoWait = unix.O_NONBLOCK

// firstDataDescriptor is the lowest descriptor that data may be written through. A program may close its
// standard streams; a file that took their place would receive whatever is printed.
const firstDataDescriptor = 3

// aboveStandardStreams moves f to a descriptor that no print can reach. It takes over f, also on failure.
func aboveStandardStreams(f *os.File) (*os.File, error) {
	if f.Fd() >= firstDataDescriptor {
		return f, nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, firstDataDescriptor)
	name := f.Name()
	if err != nil {
		return nil, errors.Join(pathError("open", name, err), f.Close())
	}
	moved := os.NewFile(uintptr(fd), name)
	if err := f.Close(); err != nil {
		return nil, errors.Join(err, moved.Close())
	}
	return moved, nil
}

// transient is for errors of a file that another program has open: no such thing excludes anything here.
func transient(error) bool { return false }

// checkOpen has nothing to do: every call on a closed file says so.
func checkOpen(*os.File) error { return nil }

// syncPath makes the names in the directory at path durable.
func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(d), d.Close())
}

// cannotSync reports whether err, of syncPath, says that the directory can never be synced: it may not be read, or its file
// system has no such thing.
func cannotSync(err error) bool {
	for _, cannot := range []error{unix.EINVAL, unix.EROFS, unix.EOPNOTSUPP, unix.ENOTSUP, unix.ENOSYS, unix.EBADF} {
		if errors.Is(err, cannot) {
			return true
		}
	}
	return errors.Is(err, fs.ErrPermission)
}

func syncDirectory(d *os.File) error { return d.Sync() }

// freeBytes is the space that this user may still fill, in bytes.
func freeBytes(d *os.File) (free uint64, err error) {
	var st unix.Statfs_t
	err = withDescriptor(d, func(fd int) error { return unix.Fstatfs(fd, &st) })
	if err != nil {
		return 0, err
	}
	blocks := max(0, int64(st.Bavail)) // FreeBSD counts below zero, into the reserve of the superuser
	return uint64(blocks) * uint64(st.Bsize), nil
}

// lockFile takes flock(2) on f, and reports whether somebody else has it.
func lockFile(f *os.File, mode LockMode) (taken bool, err error) {
	how := unix.LOCK_EX
	if mode == Shared {
		how = unix.LOCK_SH
	}
	err = withDescriptor(f, func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// lockDirectory takes flock(2) on a directory, and reports whether somebody else has it. Some network file systems
// cannot: there the lock file has to do alone.
func lockDirectory(d *os.File, mode LockMode) (taken bool, err error) {
	taken, err = lockFile(d, mode)
	for _, cannot := range []error{unix.EBADF, unix.EINVAL, unix.ENOLCK, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, cannot) {
			return false, nil
		}
	}
	return taken, err
}

// unlockFile ends the lock. Closing f alone would not while a process that was started meanwhile still holds a copy of
// the descriptor: between its fork and its exec it has all of them.
func unlockFile(f *os.File) error {
	return withDescriptor(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
}

// withDescriptor runs call on f's descriptor, which cannot be closed meanwhile, again while a signal interrupts it.
func withDescriptor(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	closed := conn.Control(func(fd uintptr) {
		for {
			if result = call(int(fd)); !errors.Is(result, unix.EINTR) {
				return
			}
		}
	})
	if closed != nil {
		return fs.ErrClosed // Control fails for no other reason, but with an error that does not say it so
	}
	return result
}

func isPlatformNoSpace(error) bool { return false }
