package refit

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refit-rs/refit/bindings/go/internal/heap"
)

func TestOpenAsksTheEngine(t *testing.T) {
	c := open(t)
	info, err := c.EngineInfo(context.Background())
	if err != nil || info.Version == "" || info.OS != "linux" || info.Host == "" || info.Mirrors == nil || info.StateDir != nil {
		t.Errorf("%+v, %v", info, err)
	}
	if Version() == "" {
		t.Error("no version")
	}
	if entries, err := c.HistoryList(context.Background(), HistoryOptions{Limit: 5, Since: time.Now().Add(-time.Hour)}); err != nil || entries == nil {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestOpenWithoutAnEngine(t *testing.T) {
	ctx := context.Background()
	nobody := Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")}
	if c, err := Open(ctx, nobody); c != nil || !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "none.sock") {
		t.Error(err)
	}
	nobody.Connect = "lazy"
	c, err := Open(ctx, nobody)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ImageExists(ctx, "a:1"); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	for _, wrong := range []Options{{Connect: "later"}, {MaxConcurrency: 65}, {Timeout: 500 * time.Millisecond}, {CheckVia: "rumour"}, {Host: "ftp://x"}} {
		if c, err := Open(ctx, wrong); c != nil || err == nil {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// An engine that accepts and never answers ends with the context, not with the 30 s of the options.
func TestOpenEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	within(t, 25*time.Second, "opening", func() {
		if c, err := Open(ctx, Options{Host: "tcp://" + silent.Addr().String()}); c != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestCloseWhileCallsRun(t *testing.T) {
	ctx, name := context.Background(), scope(t, "close")
	run(t, name, map[string]any{"Image": pull(t, name, "1").Reference})
	c, err := Open(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const many = 8
	results := make(chan error, many)
	for range many {
		go func() {
			_, err := c.ContainerWait(ctx, name)
			results <- err
		}()
	}
	// They are all in the library, or closing would not have to wait.
	running := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == many
	}
	for end := time.Now().Add(time.Minute); !running() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	begun := time.Now()
	var closing sync.WaitGroup
	for range 3 {
		closing.Add(1)
		go func() {
			defer closing.Done()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	closing.Wait()
	if took := time.Since(begun); took < grace || took > grace+time.Minute {
		t.Errorf("closing took %v", took)
	}
	for range many {
		if err := <-results; !errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if _, err := c.ContainerExists(ctx, name); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// Calls that come while the client is closed get their answer or ErrClosed, and nothing else.
func TestCallsAndCloseMeetAtAnyMoment(t *testing.T) {
	ctx := context.Background()
	for range 30 {
		c, err := Open(ctx, Options{Connect: "lazy"})
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		for range 16 {
			calls.Add(1)
			go func() {
				defer calls.Done()
				for {
					if _, err := c.HistoryList(ctx, HistoryOptions{}); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		time.Sleep(2 * time.Millisecond)
		c.Close()
		calls.Wait()
	}
}

func TestSixtyFourGoroutinesOnOneClient(t *testing.T) {
	ctx, c, name := context.Background(), open(t), scope(t, "many")
	p := publish(t, name, "1", "--random-mb", "5")
	var all sync.WaitGroup
	for i := range 64 {
		all.Add(1)
		go func() {
			defer all.Done()
			last := Progress{}
			if result, err := c.Pull(ctx, p.Reference, PullOptions{OnProgress: func(p Progress) error { last = p; return nil }}); err != nil || result.After.ID == "" {
				t.Errorf("%d: %+v, %v", i, result, err)
			}
			if last.Permille != 1000 {
				t.Errorf("%d: the last report is %+v", i, last)
			}
			for range 20 {
				if exists, err := c.ImageExists(ctx, p.Reference); err != nil || !exists {
					t.Errorf("%d: %v, %v", i, exists, err)
				}
				if _, err := c.ContainerStatus(ctx, name); !errors.Is(err, ErrNotFound) {
					t.Errorf("%d: %v", i, err)
				}
				short, cancel := context.WithTimeout(ctx, time.Duration(i)*100*time.Microsecond)
				if _, err := c.ImageInfo(short, p.Reference); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d: %v", i, err)
				}
				cancel()
			}
		}()
	}
	all.Wait()
}

func TestNothingIsLeft(t *testing.T) {
	name := scope(t, "left")
	p := pull(t, name, "1")
	// Each pull leaves a record, and the history is bounded.
	c, err := Open(context.Background(), Options{HistoryMaxEntries: 10})
	if err != nil {
		t.Fatal(err)
	}
	work := func(times int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for i := range times {
			if _, err := c.HistoryList(ctx, HistoryOptions{Limit: 1}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ImageInfo(ctx, ""); !errors.Is(err, ErrInvalidArgument) {
				t.Fatal(err)
			}
			if i%20 == 0 {
				if _, err := c.ImageInfo(ctx, p.Reference); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Pull(ctx, p.Reference, PullOptions{OnProgress: func(Progress) error { return errCause }}); err != errCause {
					t.Fatal(err)
				}
			}
		}
	}
	// The first rounds fill the pools and caches of both sides, those of the allocator in each thread among them.
	work(2000)
	goroutines := runtime.NumGoroutine()
	var grown int64
	for range 5 {
		before := int64(heap.InUse())
		work(5000)
		// One forgotten string of 40 bytes in each of the 10,000 calls would be 400 kB in every round.
		if grown = int64(heap.InUse()) - before; grown <= 100<<10 {
			break
		}
	}
	if grown > 100<<10 {
		t.Errorf("%d bytes of C memory more after each 10,000 calls", grown)
	}
	if now := settled(goroutines); now > goroutines {
		t.Errorf("%d goroutines before and %d after the calls", goroutines, now)
	}
	c.Close()
	if now := settled(goroutines); now > goroutines {
		t.Errorf("%d goroutines before and %d after closing", goroutines, now)
	}
}

// settled is the number of goroutines once those that are ending have ended.
func settled(wanted int) (now int) {
	for range 6000 {
		if now = runtime.NumGoroutine(); now <= wanted {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return now
}
