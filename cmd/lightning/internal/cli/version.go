package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"lightningdb/cmd/lightning/internal/command"
	"lightningdb/cmd/lightning/internal/jsonline"
	"lightningdb/internal/record"
)

func (a *app) versionCommand() *command.Command {
	return &command.Command{
		Use:   "version",
		Short: "Write the version of the program and of the formats",
		Run: func(context.Context, []string) error {
			v := thisVersion()
			if a.json {
				return jsonline.Write(a.Stdout, v)
			}
			_, err := fmt.Fprintf(a.Stdout, "lightning %s\nrevision  %s\ngo        %s %s/%s\nformat    %d\n",
				v.Version, v.Revision, v.Go, v.OS, v.Arch, v.Format)
			return err
		},
	}
}

// version is what is known about this program.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source; "unknown" if the build did not record it
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Format   int    `json:"format"` // of log and manifest: the one it writes, and the newest it reads
}

func thisVersion() version {
	v := version{Version: "unknown", Revision: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Format: record.Version}
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
