package page

import (
	"embed"
	"io/fs"
)

// dist is filled by `make service` with the built page; in the checkout it holds one file that says so.
//
//go:embed all:dist
var dist embed.FS

func embedded() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist
	}
	return files
}
