package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

const (
	// keepAlive is shorter than the silence after which proxies cut a connection.
	keepAlive = 15 * time.Second
	// sendTime is how long a client may take to read an event; one that does not read is left.
	sendTime = 30 * time.Second
	// streamsOfOne is how many streams one user may have open.
	streamsOfOne = 100
)

// errLeft is that the client reads no more.
var errLeft = errors.New("the client has left")

// streams counts those that are open.
type streams struct {
	mu     sync.Mutex
	open   map[uint]int
	ending chan struct{}
	// until are the ends of the streams of a user, which come early when the password is changed.
	until map[uint]chan struct{}
}

// endStreamsOf ends the streams that the user's old tokens have opened.
func (a *API) endStreamsOf(user uint) {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	if until, found := a.streams.until[user]; found {
		close(until)
		delete(a.streams.until, user)
	}
}

// EndStreams ends all event streams: a server that shuts down waits for its requests.
func (a *API) EndStreams() {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	select {
	case <-a.ending():
	default:
		close(a.streams.ending)
	}
}

// ending is called with the lock.
func (a *API) ending() chan struct{} {
	if a.streams.ending == nil {
		a.streams.ending = make(chan struct{})
	}
	return a.streams.ending
}

// stream writes server-sent events.
type stream struct {
	mu      sync.Mutex
	writer  http.ResponseWriter
	control *http.ResponseController
}

// stream answers with events, until work returns, the token expires, or the stream has lived long enough. Its client opens the next.
func (a *API) stream(r *request, work func(context.Context, *stream) error) error {
	a.streams.mu.Lock()
	if a.streams.open == nil {
		a.streams.open, a.streams.until = map[uint]int{}, map[uint]chan struct{}{}
	}
	if a.streams.open[r.user.ID] >= streamsOfOne {
		a.streams.mu.Unlock()
		failure := manager.Fail(tooMany, "You have %d streams open: close some first.", streamsOfOne)
		failure.RetryAfter = time.Minute
		return failure
	}
	a.streams.open[r.user.ID]++
	until, found := a.streams.until[r.user.ID]
	if !found {
		until = make(chan struct{})
		a.streams.until[r.user.ID] = until
	}
	ending := a.ending()
	a.streams.mu.Unlock()
	defer func() {
		a.streams.mu.Lock()
		defer a.streams.mu.Unlock()
		if a.streams.open[r.user.ID]--; a.streams.open[r.user.ID] == 0 {
			delete(a.streams.open, r.user.ID)
			if a.streams.until[r.user.ID] == until {
				delete(a.streams.until, r.user.ID)
			}
		}
	}()
	// The password may have been changed since the token was looked at.
	if user, err := a.store.User(r.user.ID); err != nil || user.PasswordChanges != r.token.Changes {
		return errNoToken
	}
	end := time.Now().Add(time.Duration(a.config.StreamLife))
	if r.token.ExpiresAt.Before(end) {
		end = r.token.ExpiresAt
	}
	ctx, cancel := context.WithDeadline(r.Request.Context(), end)
	defer cancel()
	go func() {
		select {
		case <-ending:
			cancel()
		case <-until:
			cancel()
		case <-ctx.Done():
		}
	}()
	h := r.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	// Nginx would hold events back.
	h.Set("X-Accel-Buffering", "no")
	r.Writer.WriteHeader(http.StatusOK)
	s := &stream{writer: r.Writer, control: http.NewResponseController(r.Writer)}
	if s.write([]byte("retry: 2000\n\n")) == nil {
		go s.keepAlive(ctx)
		_ = work(ctx, s)
	}
	return nil
}

func (s *stream) keepAlive(ctx context.Context) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ctx.Err() != nil || s.write([]byte(": still here\n\n")) != nil {
				return
			}
		}
	}
}

func (s *stream) send(id, name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return s.sendJSON(id, name, text)
}

func (s *stream) sendJSON(id, name string, text []byte) error {
	var event bytes.Buffer
	if id != "" {
		fmt.Fprintf(&event, "id: %s\n", id)
	}
	fmt.Fprintf(&event, "event: %s\ndata: %s\n\n", name, text)
	return s.write(event.Bytes())
}

func (s *stream) write(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.control.SetWriteDeadline(time.Now().Add(sendTime))
	if _, err := s.writer.Write(text); err != nil {
		return errLeft
	}
	if s.control.Flush() != nil {
		return errLeft
	}
	return nil
}

// events are those of the operations that the user may see.
func (a *API) events(r *request) error {
	last := r.Query("last_event_id")
	if header := r.GetHeader("Last-Event-ID"); header != "" {
		last = header
	}
	viewer, err := a.viewer(r.user)
	if err != nil {
		return err
	}
	return a.stream(r, func(ctx context.Context, s *stream) error {
		now := func() operation.Viewer {
			// A server may have been made since.
			if latest, err := a.viewer(r.user); err == nil {
				viewer = latest
			}
			return viewer
		}
		return a.manager.Operations.Follow(ctx, now, last, func(events []operation.Event) error {
			for _, event := range events {
				if err := s.sendJSON(event.ID, event.Name, event.Data); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
