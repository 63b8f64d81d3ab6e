//go:build linux || darwin || freebsd || openbsd

package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openNoWait keeps an open from waiting for the other end of a pipe that was put in the place of a file.
const openNoWait = unix.O_NONBLOCK

// firstDataDescriptor is the lowest descriptor through which data may be written. A program may close its standard
// streams, and a file that took their place would receive whatever is printed.
const firstDataDescriptor = 3

// aboveStandardStreams moves f to a descriptor that no print can reach. It takes over f, even if it fails.
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

// transient is always false: here no program makes an operation fail by having a file open.
func transient(error) bool { return false }

// checkOpen does nothing: every call on a closed file says that it is closed.
func checkOpen(*os.File) error { return nil }

// syncPath makes the names in the directory at path durable.
func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(d), d.Close())
}

// cannotSync reports whether err, from syncPath, says that the directory can never be synced: it may not be read, or
// its file system does not support that.
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
	err = withDescriptor(d, func(fd int) (err error) {
		free, err = freeAround(fd)
		return err
	})
	return free, err
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
// cannot lock directories: there the lock file must do alone.
func lockDirectory(d *os.File, mode LockMode) (taken bool, err error) {
	taken, err = lockFile(d, mode)
	for _, cannot := range []error{unix.EBADF, unix.EINVAL, unix.ENOLCK, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, cannot) {
			return false, nil
		}
	}
	return taken, err
}

// unlockFile ends the lock. Closing f would not be enough while a process that was started meanwhile holds a copy of
// the descriptor: between its fork and its exec it has copies of all of them.
func unlockFile(f *os.File) error {
	return withDescriptor(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
}

// withDescriptor runs call on f's descriptor, again whenever a signal interrupts it. f cannot be closed meanwhile.
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
		return fs.ErrClosed // Control fails for no other reason, but its error does not match fs.ErrClosed
	}
	return result
}

// linkFile makes the file name of from one of to as well. Where it is not known that links work, the error matches
// errors.ErrUnsupported: another device, a file system without them, or one that has too many, or a system that forbids
// them for files of others.
func linkFile(from, to *osDir, name string) error {
	err := withDescriptor(from.self, func(source int) error {
		return withDescriptor(to.self, func(target int) error { return unix.Linkat(source, name, target, name, 0) })
	})
	for _, cannot := range []error{unix.EXDEV, unix.EPERM, unix.EACCES, unix.EMLINK, unix.EOPNOTSUPP, unix.ENOTSUP,
		unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, cannot) {
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
	}
	return err
}

func isPlatformNoSpace(error) bool { return false }
