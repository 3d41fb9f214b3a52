package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
)

// logger gets the events of the library.
var logger atomic.Pointer[slog.Logger]

// levels of the library, the most talkative first. REFIT_LOG_TRACE is below slog's.
var levels = []struct {
	ours  C.int32_t
	slogs slog.Level
}{
	{C.REFIT_LOG_TRACE, slog.LevelDebug - 4},
	{C.REFIT_LOG_DEBUG, slog.LevelDebug},
	{C.REFIT_LOG_INFO, slog.LevelInfo},
	{C.REFIT_LOG_WARN, slog.LevelWarn},
	{C.REFIT_LOG_ERROR, slog.LevelError},
}

// SetLogger sends the events of the library, of all clients of the process, to l; nil removes the one that was set. Without one nothing is
// logged.
//
// Error: a rollback that failed, a defect. Warn: a call that failed, a warning of a report. Info: each step of a recreation, a rollback and a
// recovery, and what became of it. Debug: the end of each long call, and each request to an engine or a registry with its method, path, status
// and milliseconds. The attributes "op", and "image", "container" or "volume" say which call an event is of. No event holds a credential, a header, a query,
// a body or the environment of a container.
//
// The library asks l once, here, which levels it takes. l's handler runs on the library's own threads, on several at once, and that thread does
// nothing else meanwhile. It must not use a [Client]: such a call is [ErrUnsupported].
//
// Once SetLogger has returned, the logger that was set before is never used again: it waits for what runs, unless it is called by that very
// handler. It must not be called by two goroutines at the same time, and a handler must not wait for one that calls it.
func SetLogger(l *slog.Logger) {
	logger.Store(l)
	if l != nil {
		for _, level := range levels {
			if l.Enabled(context.Background(), level.slogs) {
				C.refit_go_set_logger(level.ours, 1)
				return
			}
		}
	}
	C.refit_go_set_logger(0, 0)
}

//export refitGoRecord
func refitGoRecord(record *C.refit_log_record) {
	// A panic must not unwind through the library's frames, and the work that is told of goes on.
	defer func() { _ = recover() }()
	l := logger.Load()
	if l == nil {
		return
	}
	level := slog.LevelError
	for _, known := range levels {
		if known.ours == record.level {
			level = known.slogs
		}
	}
	attributes := append([]slog.Attr{slog.String("target", C.GoString(record.target))}, attributes(C.GoString(record.fields_json))...)
	l.LogAttrs(context.Background(), level, C.GoString(record.message), attributes...)
}

// attributes of an event, in the order of their names.
func attributes(fields string) []slog.Attr {
	var all map[string]any
	decoder := json.NewDecoder(strings.NewReader(fields))
	decoder.UseNumber()
	if decoder.Decode(&all) != nil {
		return nil
	}
	attributes := make([]slog.Attr, 0, len(all))
	for name, value := range all {
		if number, ok := value.(json.Number); ok {
			if whole, err := number.Int64(); err == nil {
				value = whole
			}
		}
		attributes = append(attributes, slog.Any(name, value))
	}
	slices.SortFunc(attributes, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return attributes
}
