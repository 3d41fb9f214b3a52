package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"runtime/cgo"
	"time"
	"unsafe"
)

// LogOptions of [Client.ContainerLogs], [Client.FollowLogs] and [Client.RawLogs].
type LogOptions struct {
	// Tail is how many of the last lines are read; 0: all, negative: none of those that are there.
	Tail int
	// Since leaves out what was written before. Default: nothing.
	Since time.Time
	// Timestamps are delivered with each line.
	Timestamps bool
	// Follow goes on until the container stops. Default: FollowLogs does, the others do not.
	Follow *bool
	// MaxBytes are the newest that ContainerLogs keeps; it alone takes this option. Default: 16 MiB.
	MaxBytes int
	// OnLine gets each line of FollowLogs, on the goroutine that made the call, before it returns. Its error ends the call and comes back
	// from it unchanged; a panic in it does the same, as a [CallbackPanic].
	OnLine func(LogLine) error
	// Timeout ends the call.
	Timeout time.Duration
}

// LogLine is a line of a log, or a piece of a long one.
type LogLine struct {
	Timestamp time.Time // when it was written; zero unless asked for
	Text      string    // the bytes without the line's end, at most 256 KiB; they need not be UTF-8
	Stream    int       // 1: stdout, 2: stderr
	Partial   bool      // the line is longer, and the next call goes on with it
}

// ContainerLogs is a log as text.
type ContainerLogs struct {
	Text      string `json:"text"`
	Lines     uint64 `json:"lines"`
	Truncated bool   `json:"truncated"` // older bytes were left out
}

// FollowedLogs is how much of a log was handed over.
type FollowedLogs struct {
	Lines *uint64 `json:"lines"` // nil of raw logs
	Bytes uint64  `json:"bytes"`
}

// ContainerLogs reads the log of a container so far, both streams as one text. [ErrUnsupported] when its log driver keeps nothing.
func (c *Client) ContainerLogs(ctx context.Context, container string, o LogOptions) (*ContainerLogs, error) {
	return call[ContainerLogs](ctx, c, request{function: C.REFIT_GO_container_logs, name: &container, options: o.json()})
}

// FollowLogs calls o.OnLine for each line, until the container stops, restarts or is recreated. Beside an error it tells how much was read.
func (c *Client) FollowLogs(ctx context.Context, container string, o LogOptions) (*FollowedLogs, error) {
	if o.OnLine == nil {
		message := "container_follow_logs was not begun: LogOptions.OnLine is nil"
		return nil, &Error{Code: CodeInvalidArgument, Op: "container_follow_logs", Message: message, Container: container}
	}
	return call[FollowedLogs](ctx, c, request{function: C.REFIT_GO_container_follow_logs, name: &container, options: o.json(), onLine: o.OnLine})
}

// RawLogs reads the log of a container as the engine sends it, in frames of eight bytes and a payload, or without them when the container has
// a terminal. An error that is known before the first byte, such as [ErrNotFound], is returned here. Close frees a Read that waits, and ends
// the reading; ctx does too.
func (c *Client) RawLogs(ctx context.Context, container string, o LogOptions) (io.ReadCloser, error) {
	// Nothing comes of a quiet container, and an error would have to wait for the first Read.
	probe := LogOptions{Tail: -1, Since: o.Since, MaxBytes: o.MaxBytes, Timeout: o.Timeout}
	if _, err := c.ContainerLogs(ctx, container, probe); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	frames := newBuffer()
	go func() {
		defer cancel()
		q := request{function: C.REFIT_GO_container_raw_logs, name: &container, options: o.json(), onData: frames.put}
		_, err := call[FollowedLogs](ctx, c, q)
		if errors.Is(err, io.ErrClosedPipe) {
			err = nil
		}
		frames.end(err)
	}()
	return &rawLogs{frames: frames, cancel: cancel}, nil
}

// rawLogs ends the call when it is closed, also while nothing comes.
type rawLogs struct {
	frames *buffer
	cancel context.CancelFunc
}

func (r *rawLogs) Read(to []byte) (int, error) { return r.frames.read(to) }

func (r *rawLogs) Close() error {
	r.cancel()
	r.frames.close()
	return nil
}

//export refitGoLine
func refitGoLine(l *C.refit_log_line, handle, thread C.uintptr_t) C.int32_t {
	to := cgo.Handle(handle).Value().(*listener)
	line := LogLine{Text: C.GoStringN(l.text, C.int(l.length)), Stream: int(l.stream), Partial: l.partial != 0}
	if l.timestamp != nil {
		// The library has read it as a time before.
		line.Timestamp, _ = time.Parse(time.RFC3339Nano, C.GoString(l.timestamp))
	}
	return to.hear(thread, func() error { return to.onLine(line) })
}

//export refitGoData
func refitGoData(data *C.uint8_t, length C.size_t, handle, thread C.uintptr_t) C.int32_t {
	to := cgo.Handle(handle).Value().(*listener)
	return to.hear(thread, func() error { return to.onData(unsafe.Slice((*byte)(data), int(length))) })
}

func (o LogOptions) json() options {
	settings := options{}.flag("timestamps", o.Timestamps).flagOr("follow", o.Follow).number("max_bytes", o.MaxBytes).seconds("timeout_s", o.Timeout)
	if o.Tail != 0 {
		settings["tail"] = max(o.Tail, 0)
	}
	if !o.Since.IsZero() {
		settings["since"] = o.Since.Format(time.RFC3339Nano)
	}
	return settings
}
