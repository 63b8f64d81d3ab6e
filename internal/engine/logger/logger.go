// Package logger is how an engine tells people of events: by a Logger of its user, which may be none, and which cannot
// take the engine's goroutines with it. It holds no state; everything is safe for concurrent use if the Logger is.
package logger

import "lightningdb/internal/system/goroutine"

// Logger receives events. It is lightningdb.Logger, which says why it is no *slog.Logger.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// Apart returns a Logger that calls l in a goroutine of its own: should it end that, the one that had something to log
// goes on, which may hold a lock, carry the commits of others, or be the flusher. For nil it returns Silent.
func Apart(l Logger) Logger {
	if l == nil {
		return Silent{}
	}
	return apart{l}
}

// Silent is a Logger that drops everything.
type Silent struct{}

// Debug implements Logger.
func (Silent) Debug(string, ...any) {}

// Info implements Logger.
func (Silent) Info(string, ...any) {}

// Warn implements Logger.
func (Silent) Warn(string, ...any) {}

// Error implements Logger.
func (Silent) Error(string, ...any) {}

type apart struct{ logger Logger }

func (a apart) Debug(msg string, args ...any) {
	goroutine.Apart(func() { a.logger.Debug(msg, args...) })
}
func (a apart) Info(msg string, args ...any) { goroutine.Apart(func() { a.logger.Info(msg, args...) }) }
func (a apart) Warn(msg string, args ...any) { goroutine.Apart(func() { a.logger.Warn(msg, args...) }) }
func (a apart) Error(msg string, args ...any) {
	goroutine.Apart(func() { a.logger.Error(msg, args...) })
}
