package refit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTheErrorOfOnProgressComesBackUnchanged(t *testing.T) {
	c, name := open(t), scope(t, "stop")
	p := publish(t, name, "1", "--random-mb", "20")
	mine, calls := fmt.Errorf("mine: %w", errCause), 0
	result, err := c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error {
		calls++
		return mine
	}})
	if err != mine || result != nil || calls != 1 {
		t.Errorf("%+v, %v after %d calls", result, err, calls)
	}
	// An error that comes too late to stop anything is not lost, nor is the result.
	result, err = c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(p Progress) error {
		if p.Permille == 1000 {
			return mine
		}
		return nil
	}})
	if err != mine || result == nil || !result.Changed {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestAPanicInOnProgressEndsTheCallAndGoesOn(t *testing.T) {
	c, name := open(t), scope(t, "panic")
	p := publish(t, name, "1")
	func() {
		defer func() {
			panicked, ok := recover().(*CallbackPanic)
			if !ok || panicked.Value != errCause || !errors.Is(panicked, errCause) || !strings.Contains(panicked.Error(), "progress_test.go") {
				t.Errorf("the panic was lost, or its stack: %v", panicked)
			}
		}()
		_, _ = c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error { panic(errCause) }})
		t.Error("the call returned")
	}()
	if _, err := c.Pull(context.Background(), p.Reference, PullOptions{}); err != nil {
		t.Error(err)
	}
}

func TestGoexitInOnProgressDoesNotHangClose(t *testing.T) {
	name := scope(t, "goexit")
	p := publish(t, name, "1", "--random-mb", "20")
	c, err := Open(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var gone sync.WaitGroup
	gone.Add(1)
	go func() {
		defer gone.Done()
		_, _ = c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error {
			runtime.Goexit()
			return nil
		}})
		t.Error("the call returned")
	}()
	gone.Wait()
	within(t, time.Minute, "closing", func() { c.Close() })
}

// A callback may wait for a goroutine that closes the client: neither waits for the other for ever.
func TestACallbackMayWaitForTheGoroutineThatCloses(t *testing.T) {
	name := scope(t, "closing")
	p := publish(t, name, "1")
	c, err := Open(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		closed := make(chan struct{})
		first := true
		_, err := c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error {
			if first {
				first = false
				go func() {
					c.Close()
					close(closed)
				}()
				<-closed
			}
			return nil
		}})
		ended <- err
	}()
	select {
	case err := <-ended:
		// The pull may have succeeded while its callback waited.
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	case <-time.After(90 * time.Second):
		t.Fatal("the callback and Close wait for each other")
	}
	if _, err := c.ImageExists(context.Background(), p.Reference); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.Close()
}

func TestOnProgressMayUseTheClientAndBeSlow(t *testing.T) {
	ctx, c, name := context.Background(), open(t), scope(t, "inside")
	p := publish(t, name, "1")
	asked := 0
	result, err := c.Pull(ctx, p.Reference, PullOptions{OnProgress: func(report Progress) error {
		asked++
		status, err := c.ImageStatus(ctx, p.Reference)
		if err == nil && !status.Pulling && report.Permille < 1000 {
			// The newest progress is reported, which may be older than the state.
			time.Sleep(10 * time.Millisecond)
		}
		_, nested := c.Pull(ctx, p.Reference, PullOptions{OnProgress: func(Progress) error { return nil }})
		return errors.Join(err, nested)
	}})
	if err != nil || !result.Changed || asked == 0 {
		t.Errorf("%+v, %v, %d", result, err, asked)
	}
}

func TestCloseInOnProgressEndsTheCall(t *testing.T) {
	name := scope(t, "closing")
	p := publish(t, name, "1", "--random-mb", "50")
	c, err := Open(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	within(t, time.Minute, "the pull", func() {
		_, err = c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error { return c.Close() }})
	})
	if !errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	if _, err := c.EngineInfo(context.Background()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
