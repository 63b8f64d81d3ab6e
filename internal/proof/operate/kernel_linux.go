package operate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"lightningdb"
)

// noFilters is empty: Linux has what failSyncs needs.
func noFilters() string { return "" }

// failSyncs has the kernel return EIO for every fsync and fdatasync of this process from now on, by a filter for system
// calls, which nothing takes away again.
func failSyncs() error {
	fail := uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EIO)
	load := uint16(unix.BPF_LD | unix.BPF_W | unix.BPF_ABS)
	equal, end := uint16(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K), uint16(unix.BPF_RET|unix.BPF_K)
	program := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: equal, K: unix.SYS_FSYNC, Jt: 2},
		{Code: equal, K: unix.SYS_FDATASYNC, Jt: 1},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
		{Code: end, K: fail},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("allow a filter for system calls: %w", err)
	}
	_, _, number := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	if number != 0 {
		return fmt.Errorf("set a filter for system calls: %w", number)
	}
	return nil
}

// holdDescriptors lets this process open no more files, until it is released, and returns when the database has
// noticed.
func (s *subject) holdDescriptors() error {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		return err
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open)), Max: before.Max}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	var works sync.WaitGroup
	works.Go(func() { every(ctx, descriptorInterval, s.descriptors.take) })
	works.Go(func() { every(ctx, flushInterval, func() { _ = s.db.Flush() }) }) // fails, which is the purpose
	s.held = append(s.held, func() error {
		cancel()
		err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
		works.Wait()
		return errors.Join(err, s.descriptors.release())
	})
	return s.until(func(m *lightningdb.Metrics) bool { return m.BackgroundError != nil })
}
