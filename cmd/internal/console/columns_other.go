//go:build !unix && !windows

package console

import "os"

// window is not known here.
func window(*os.File) (columns, rows int) { return 0, 0 }
