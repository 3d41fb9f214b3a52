package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"
	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

const (
	maxFile = 1 << 20
	// JSON writes a byte as six at most.
	maxFileBody = 6*maxFile + 1024
)

var fileName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`)

func (a *API) configFiles(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	files, err := a.manager.ConfigFiles(server)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These are the configuration files.", gin.H{"files": files})
	return nil
}

// file finds the server and the file of the path.
func (a *API) file(r *request) (*store.Server, string, error) {
	server, err := a.ofPath(r)
	if err != nil {
		return nil, "", err
	}
	file := r.Param("file")
	if !fileName.MatchString(file) {
		return nil, "", invalid("file", "A configuration file's name has 1 to 100 letters, digits, dots, dashes and underscores, and does not begin with a dot.")
	}
	r.target = server.Identifier + " " + file
	return server, file, nil
}

func (a *API) readConfig(r *request) error {
	server, file, err := a.file(r)
	if err != nil {
		return err
	}
	content, err := a.manager.ReadConfig(server, file)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is the file.", gin.H{"name": file, "content": content})
	return nil
}

func (a *API) writeConfig(r *request) error {
	server, file, err := a.file(r)
	if err != nil {
		return err
	}
	var asked struct{ Content *string }
	if err := body(r.Context, maxFileBody, &asked); err != nil {
		return err
	}
	switch {
	case asked.Content == nil:
		return invalid("content", "content is missing.")
	case len(*asked.Content) > maxFile:
		return manager.Fail("TOO_LARGE", "A configuration file has at most %d bytes.", maxFile)
	}
	if err := a.manager.WriteConfig(server, file, *asked.Content); err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "The file was written.", gin.H{"name": file, "content": *asked.Content})
	return nil
}

func (a *API) tail(r *request) (*store.Server, int, error) {
	server, err := a.ofPath(r)
	if err != nil {
		return nil, 0, err
	}
	tail, err := number(r.Context, "tail", 200, 1, 10_000)
	return server, tail, err
}

func (a *API) logs(r *request) error {
	server, tail, err := a.tail(r)
	if err != nil {
		return err
	}
	logs, err := a.manager.Logs(r.Request.Context(), server, tail)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These are the last lines.", gin.H{"text": logs.Text, "lines": logs.Lines, "truncated": logs.Truncated})
	return nil
}

func (a *API) stats(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	stats, err := a.manager.Stats(server)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is what the server uses.", stats)
	return nil
}

func (a *API) followLogs(r *request) error {
	server, tail, err := a.tail(r)
	if err != nil {
		return err
	}
	// What is known to be impossible is an answer, and no stream.
	if _, err := a.manager.Logs(r.Request.Context(), server, 1); err != nil {
		return err
	}
	return a.stream(r, func(ctx context.Context, s *stream) error {
		err := a.manager.FollowLogs(ctx, server, tail, func(line refit.LogLine) error {
			return s.send("", "line", gin.H{"text": line.Text, "stream": line.Stream})
		})
		return a.end(ctx, s, err)
	})
}

func (a *API) followStats(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	first, err := a.manager.Stats(server)
	if err != nil {
		return err
	}
	return a.stream(r, func(ctx context.Context, s *stream) error {
		if err := s.send("", "stats", first); err != nil {
			return err
		}
		err := a.manager.FollowStats(ctx, server, func(stats *docker_manager.ContainerStats) error { return s.send("", "stats", stats) })
		return a.end(ctx, s, err)
	})
}

// end says why a stream of a server has ended, unless it is the client that has left.
func (a *API) end(ctx context.Context, s *stream, err error) error {
	if ctx.Err() != nil || errors.Is(err, errLeft) {
		return err
	}
	data := gin.H{"error": nil, "code": nil}
	if failure := a.manager.Failure(err); failure != nil {
		data = gin.H{"error": failure.Message, "code": failure.Code}
	}
	return s.send("", "end", data)
}
