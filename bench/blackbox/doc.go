// Package blackbox runs the harness of lightningdb/internal/proof/blackbox, which judges a store by its recorded
// system calls, on other engines: what it says of an engine whose behaviour is documented shows what it is worth.
package blackbox
