package goroutine

// Apart calls do in a goroutine of its own and waits for it. It reports false if do ended that goroutine instead of
// returning, which runtime.Goexit does: the caller goes on. A panic in do goes on in the caller.
func Apart(do func()) (returned bool) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		do()
		returned = true
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return returned
}
