// Package page serves the built page. The paths of the page are its own: whatever is no file is index.html.
package page

import (
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// Handler serves the folder, or the page inside the binary where folder is "".
func Handler(folder string) http.Handler {
	files := embedded()
	if folder != "" {
		files = os.DirFS(folder)
	}
	return handler(files)
}

func handler(files fs.FS) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The page can only be read.", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		info, err := fs.Stat(files, or(name, "."))
		switch {
		case err == nil && !info.IsDir():
			if strings.HasPrefix(name, "assets/") {
				// Vite names them by their content.
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			server.ServeHTTP(w, r)
		case strings.HasPrefix(name, "assets/"):
			http.NotFound(w, r)
		default:
			w.Header().Set("Cache-Control", "no-cache")
			text, err := fs.ReadFile(files, "index.html")
			if err != nil {
				http.Error(w, "The page was not built: npm ci && npm run build in examples/server-manager/page, then start the service with -page.", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(text)
		}
	})
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
