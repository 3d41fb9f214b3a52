package refit

/*
#include "call.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"runtime/debug"
	"time"
)

// Progress is one report of a long call: at most ten a second for each layer and for the whole, and every change of its phase.
//
// An OnProgress function runs on the goroutine that made the call, before it returns, never twice at once. It may be slow and may use the
// client. Its error stops the call as a cancelled context would, and comes back from it unchanged; a panic in it does the same, as a
// [CallbackPanic].
type Progress struct {
	Operation      string // check, pull, recreate, recover, update, rollback, service_update and others
	Subject        string // the image or container that it is about
	Phase          Phase  // PhaseChecking and the others
	Layer          string // the layer in the engine's short form; "" for the whole operation
	Current        uint64 // bytes, or steps where nothing has a size
	Total          uint64 // the same in all; 0: unknown
	BytesPerSecond uint64 // 0: unknown
	ETA            time.Duration
	Permille       int // of the whole operation: never goes down, 1000 only at the end of a call that succeeds
	Step, Steps    int // which of several images or containers, from 1
}

// listener is the callback of a call and what came of it.
type listener struct {
	onProgress func(Progress) error
	onLine     func(LogLine) error
	onData     func([]byte) error
	onRead     func([]byte) (int, error)
	call       *running
	err        error
	panicked   *CallbackPanic
}

// CallbackPanic is with what a call panics whose callback has panicked, once the library has ended the call.
type CallbackPanic struct {
	Value any    // what the callback has panicked with
	Stack []byte // where
}

// Error has the value and the stack of the callback, which the stack of the call does not show.
func (p *CallbackPanic) Error() string {
	return fmt.Sprintf("%v\n\nthe callback's stack:\n%s", p.Value, p.Stack)
}

// Unwrap is the value where that is an error.
func (p *CallbackPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

//export refitGoProgress
func refitGoProgress(p *C.refit_progress, handle, thread C.uintptr_t) C.int32_t {
	l := cgo.Handle(handle).Value().(*listener)
	report := Progress{
		Operation: C.GoString(p.operation), Subject: C.GoString(p.subject), Phase: C.GoString(p.phase), Layer: C.GoString(p.layer),
		Current: uint64(p.current), Total: uint64(p.total), BytesPerSecond: uint64(p.bytes_per_second),
		ETA: time.Duration(p.eta_seconds) * time.Second, Permille: int(p.permille), Step: int(p.step), Steps: int(p.steps),
	}
	return l.hear(thread, func() error { return l.onProgress(report) })
}

// hear answers 0 when the call goes on.
func (l *listener) hear(thread C.uintptr_t, callback func() error) C.int32_t {
	l.call.thread.Store(uintptr(thread))
	l.call.callbacks.Add(1)
	defer l.call.thread.Store(0)
	if l.returns(callback) {
		return 0
	}
	return 1
}

// returns reports whether the callback returned without an error. A panic must not unwind through the library's frames.
func (l *listener) returns(callback func() error) bool {
	returned := false
	defer func() {
		if !returned {
			value := recover()
			l.call.abandoned = value == nil
			if value != nil {
				l.panicked = &CallbackPanic{Value: value, Stack: debug.Stack()}
			}
		}
	}()
	l.err = callback()
	returned = true
	return l.err == nil
}

// result is the call's own error, or what the listener has stopped it with.
func (l *listener) result(err error) error {
	switch {
	case l.panicked != nil:
		panic(l.panicked)
	case l.err == nil:
		return err
	case err == nil, errors.Is(err, kind(CodeStopped)):
		return l.err
	default:
		return errors.Join(l.err, err)
	}
}
