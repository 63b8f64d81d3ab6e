package console

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
)

// VersionCommand writes the version.
func (a *App) VersionCommand() *command.Command {
	return &command.Command{
		Use:     "version",
		Aliases: []string{"ver"},
		Short:   "Write the version of the program and of the formats",
		Run: func(context.Context, []string) error {
			v := ThisVersion()
			if a.JSON {
				return jsonline.Write(a.Stdout, v)
			}
			_, err := fmt.Fprintf(a.Stdout, "%s %s\nrevision  %s\ngo        %s %s/%s\nformat    %d\n",
				a.Name, v.Version, v.Revision, v.Go, v.OS, v.Arch, v.Format)
			return err
		},
	}
}

// Version is what is known about this program.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source; "unknown" if the build did not record it
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Format   int    `json:"format"` // of log and manifest: the one it writes, and the newest it reads
}

// revision is set by the Makefile, with -ldflags -X: go run does not record what it builds from.
var revision = "unknown"

// ThisVersion is that of the running program.
func ThisVersion() Version {
	v := Version{Version: "unknown", Revision: revision, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Format: lightningdb.FormatVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	modified := false
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			v.Revision = setting.Value
		case "vcs.modified":
			modified = setting.Value == "true"
		}
	}
	if modified {
		v.Revision += " with changes"
	}
	return v
}
