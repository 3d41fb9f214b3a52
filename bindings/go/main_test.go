package refit

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestMain(m *testing.M) {
	lab.Up()
	decode = noted
	code := m.Run()
	if misread.Load() > 0 {
		fmt.Fprintln(os.Stderr, "documents were not understood, see above")
		code = 1
	}
	os.Exit(code)
}

// misread counts the documents that strict has refused: beside an error that is one of its causes, and no test would see it.
var misread atomic.Int64

func noted(text []byte, into any) error {
	err := strict(text, into)
	if err != nil {
		misread.Add(1)
		fmt.Fprintln(os.Stderr, err)
	}
	return err
}

var (
	scope   = lab.Scope
	publish = lab.Publish
	pull    = lab.Pull
	engine  = lab.Engine
	run     = lab.Run
)

// open gives a client that is closed with the test.
func open(t testing.TB) *Client {
	t.Helper()
	c, err := Open(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// within has limits that are far beyond what a slow machine needs: what it finds is a call that does not end.
func within(t testing.TB, limit time.Duration, what string, work func()) {
	t.Helper()
	begun := time.Now()
	work()
	if took := time.Since(begun); took > limit {
		t.Errorf("%s took %v, more than %v", what, took, limit)
	}
}
