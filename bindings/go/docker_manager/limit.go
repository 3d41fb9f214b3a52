package docker_manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

const (
	callLimit  = 2 * time.Minute
	statsLimit = 10 * time.Second
	pullLimit  = 2 * time.Hour
	totalLimit = 2 * time.Hour
	silence    = 2 * time.Minute
	// stopGrace is how long a container has to end before it is killed: the game saves meanwhile.
	stopGrace = 30 * time.Second
)

// limitError is the cause of a context that this package has ended.
type limitError struct{ words string }

func (e *limitError) Error() string { return e.words }

// bounded makes a call that ends within the limit.
func (dm *DockerManager) bounded(limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, &limitError{"it did not end within " + words(limit)})
	defer cancel()
	return explained(ctx, call(ctx))
}

// answer makes a call with a result that ends within the limit. The result comes beside an error too.
func answer[T any](dm *DockerManager, limit time.Duration, call func(context.Context) (T, error)) (result T, err error) {
	err = dm.bounded(limit, func(ctx context.Context) error {
		result, err = call(ctx)
		return err
	})
	return result, err
}

// stream is a context that ends when nothing has come for a while.
type stream struct {
	context.Context
	end context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	quiet time.Duration
}

func newStream(quiet, total time.Duration) *stream {
	limited, done := context.WithTimeoutCause(context.Background(), total, &limitError{"it did not end within " + words(total)})
	ctx, cancel := context.WithCancelCause(limited)
	s := &stream{Context: ctx, quiet: quiet}
	s.timer = time.AfterFunc(quiet, func() { cancel(&limitError{"nothing came for " + words(quiet)}) })
	s.end = func() {
		s.timer.Stop()
		cancel(context.Canceled)
		done()
	}
	return s
}

// moved says that something has come.
func (s *stream) moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A timer that has fired must not be started again, or a call that was ended would have an end twice.
	if s.timer.Stop() {
		s.timer.Reset(s.quiet)
	}
}

// reads is a reader whose stream lives as long as it delivers. src is read by a goroutine of its own, which ends when its Read does, so that a Read
// which never returns does not hold the call.
func (s *stream) reads(src io.Reader) io.Reader {
	read, write := io.Pipe()
	go func() {
		_, err := io.Copy(write, src)
		write.CloseWithError(err)
	}()
	context.AfterFunc(s, func() { write.CloseWithError(context.Canceled) })
	return moving{read, s}
}

// moving is a reader that says when something has come.
type moving struct {
	io.Reader
	s *stream
}

func (m moving) Read(into []byte) (int, error) {
	n, err := m.Reader.Read(into)
	m.s.moved()
	return n, err
}

// moved is a writer that says when something was taken.
type moved struct {
	io.Writer
	s *stream
}

func (m moved) Write(data []byte) (int, error) {
	n, err := m.Writer.Write(data)
	m.s.moved()
	return n, err
}

// explained says in words that a limit of this package has ended the call; any other error is as it was.
func explained(ctx context.Context, err error) error {
	var limit *limitError
	if err == nil || ctx.Err() == nil || !errors.As(context.Cause(ctx), &limit) || !(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	late := &refit.Error{Code: refit.CodeTimeout, Message: limit.words}
	var e *refit.Error
	if errors.As(err, &e) {
		late.Op, late.Image, late.Container, late.Causes = e.Op, e.Image, e.Container, e.Causes
		late.Message = e.Message + ": " + limit.words
	}
	return late
}

func words(limit time.Duration) string {
	switch {
	case limit >= time.Hour && limit%time.Hour == 0:
		return fmt.Sprintf("%d h", limit/time.Hour)
	case limit >= time.Minute && limit%time.Minute == 0:
		return fmt.Sprintf("%d min", limit/time.Minute)
	}
	return limit.String()
}

// several errors as one sentence; nil when there is none.
func several(errs ...error) error {
	var all joined
	for _, err := range errs {
		if err != nil {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

type joined []error

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }
