package event

import "context"

// Tracer is told of operations as they begin and end, to make spans of a tracing system of them. Several goroutines
// call it at once, and each call holds up its operation. The database calls it under no lock that others wait for; but
// it must not use the database itself.
//
// Start is given the context of the call, or context.Background where the call has none (Get, Put, background work).
// What it returns is what the operation goes on with, and what End is given: a span travels in it. A commit of Update,
// or of a transaction of Begin, is given what the transaction has: so it is a part of the Update.
type Tracer interface {
	Start(ctx context.Context, op Operation) context.Context
	End(ctx context.Context, op Operation, err error)
}
