// Package backup restores what lightningdb.DB.Backup has written.
package backup
