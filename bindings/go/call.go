package refit

/*
#include <stdlib.h>
#include "call.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/cgo"
	"strings"
	"sync/atomic"
	"unsafe"
)

// decode takes fields that it does not know, as the documents may grow; the tests put a decoder in its place that does not.
var decode = lenient

// request is one call of the C library in Go's terms.
type request struct {
	function   C.enum_refit_go_function
	name       *string // nil is NULL
	input      *string
	options    options
	onProgress func(Progress) error
	onLine     func(LogLine) error
	onData     func([]byte) error
	onRead     func([]byte) (int, error)
	content    []byte  // written by the call
	into       *[]byte // read by the call
}

// call makes a call that returns a document, which may come with an error.
func call[T any](ctx context.Context, c *Client, q request) (*T, error) {
	var document *T
	_, err := c.cross(ctx, q, &document)
	return document, err
}

// read makes a call whose document is a list under a key.
func (c *Client) read(ctx context.Context, q request, document any) error {
	_, err := c.cross(ctx, q, document)
	return err
}

// exists makes a call that returns yes or no.
func (c *Client) exists(ctx context.Context, q request) (bool, error) {
	return c.cross(ctx, q, nil)
}

// cross is the only function that calls C.
func (c *Client) cross(ctx context.Context, q request, document any) (exists bool, err error) {
	op := C.GoString(C.refit_go_name(q.function))
	if err := ctx.Err(); err != nil {
		return false, ended(ctx, &Error{Code: CodeCancelled, Op: op, Message: op + " was not begun: " + err.Error()})
	}
	args, err := arguments(op, q)
	defer free(args)
	if err != nil {
		return false, err
	}
	running, err := c.begin(ctx, op)
	if err != nil {
		return false, err
	}
	defer running.end()
	args.handle, args.cancel = c.handle, running.token
	listener := &listener{onProgress: q.onProgress, onLine: q.onLine, onData: q.onData, onRead: q.onRead, call: running}
	if q.onProgress != nil || q.onLine != nil || q.onData != nil || q.onRead != nil {
		handle := cgo.NewHandle(listener)
		defer handle.Delete()
		args.listener = C.uintptr_t(handle)
	}

	if len(q.content) > 0 {
		args.content = C.CBytes(q.content)
		args.content_length = C.size_t(len(q.content))
	}
	code := C.refit_go_run(args)
	if q.into != nil {
		*q.into = append([]byte{}, unsafe.Slice((*byte)(args.data), int(args.length))...)
		C.refit_bytes_free(args.data, args.length)
	}
	var failure *Error
	if code != C.REFIT_OK {
		failure = ended(ctx, taken(args.error))
	}
	if args.document != nil {
		text := C.GoString(args.document)
		C.refit_string_free(args.document)
		err = understood(op, []byte(text), document, failure)
	} else if failure != nil {
		err = failure
	}
	return args.exists != 0, listener.result(err)
}

// understood reads a document. Beside the call's own error, that it is not understood is one more of its causes: the code stays.
func understood(op string, text []byte, document any, failure *Error) error {
	err := decode(text, document)
	switch {
	case err == nil && failure == nil:
		return nil
	case err == nil:
		return failure
	}
	unread := fmt.Sprintf("the document of %s is not understood: %v", op, err)
	if failure == nil {
		return &Error{Code: CodeData, Op: op, Message: unread}
	}
	failure.Causes = append(failure.Causes, unread)
	return failure
}

// arguments are freed with free, beside an error too.
func arguments(op string, q request) (*C.refit_go_call, error) {
	args := &C.refit_go_call{function: q.function}
	settings, err := json.Marshal(q.options)
	if err != nil {
		return args, &Error{Code: CodeInvalidArgument, Op: op, Message: "the options cannot be written as JSON: " + err.Error()}
	}
	text := string(settings)
	if q.options == nil {
		text = ""
	}
	for _, argument := range []struct {
		goes *string
		to   **C.char
	}{{&text, &args.options}, {q.name, &args.name}, {q.input, &args.input}} {
		if argument.goes == nil {
			continue
		}
		if strings.ContainsRune(*argument.goes, 0) {
			// C would read only what is before it: another name.
			return args, &Error{Code: CodeInvalidArgument, Op: op, Message: fmt.Sprintf("%q has a NUL in it", *argument.goes)}
		}
		*argument.to = C.CString(*argument.goes)
	}
	return args, nil
}

func free(args *C.refit_go_call) {
	C.free(unsafe.Pointer(args.options))
	C.free(unsafe.Pointer(args.name))
	C.free(unsafe.Pointer(args.input))
	C.free(args.content)
}

// taken is the error that C has made, which is freed.
func taken(failure *C.refit_error) *Error {
	defer C.refit_error_free(failure)
	e := &Error{}
	if err := json.Unmarshal([]byte(C.GoString(C.refit_error_json(failure))), e); err != nil {
		return &Error{Code: Code(C.refit_error_code(failure)), Message: C.GoString(C.refit_error_message(failure))}
	}
	return e
}

// ended adds to a cancelled call's error what has ended it: only the context and Close fire the token.
func ended(ctx context.Context, e *Error) *Error {
	if e.Code != CodeCancelled {
		return e
	}
	if ctx.Err() == nil {
		e.wrapped = []error{ErrClosed}
	} else {
		e.wrapped = []error{ctx.Err(), context.Cause(ctx)}
	}
	return e
}

// running is a running call, with the token that ends it.
type running struct {
	client *Client
	token  *C.refit_cancel
	forget func()
	// thread is the one on which a callback runs now, else 0.
	thread atomic.Uintptr
	// callbacks is how many have begun.
	callbacks atomic.Uint64
	// abandoned is a call whose callback has left by runtime.Goexit.
	abandoned bool
}

// begin registers a call and watches its context, without a goroutine.
func (c *Client) begin(ctx context.Context, op string) (*running, error) {
	r := &running{client: c, token: C.refit_cancel_new()}
	if !c.enter(r) {
		C.refit_cancel_free(r.token)
		return nil, &Error{Code: CodeCancelled, Op: op, Message: op + " was not begun: the client is closed", wrapped: []error{ErrClosed}}
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.refit_cancel_fire(r.token)
		close(fired)
	})
	r.forget = func() {
		if !stop() {
			<-fired
		}
	}
	return r, nil
}

// end frees the token once nobody can fire it any more.
func (r *running) end() {
	r.forget()
	r.client.leave(r)
	C.refit_cancel_free(r.token)
}
