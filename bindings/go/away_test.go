package refit

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// One client lives through an engine that is not there yet, that stops in the middle of calls, that does not answer, and that comes back.
func TestAClientSurvivesAnEngineThatGoesAndComesBack(t *testing.T) {
	ctx, name, engine, follow := context.Background(), scope(t, "away"), lab.NewSwitch(t, ""), true
	image := pull(t, name, "1").Reference
	run(t, name, map[string]any{"Image": image, "Entrypoint": []string{"sleep"}, "Cmd": []string{"1000"}})
	large := publish(t, name+"-large", "1", "--random-mb", "100").Reference
	c, err := Open(ctx, Options{Host: engine.Host, Connect: "lazy", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there := func(when string) {
		t.Helper()
		if exists, err := c.ImageExists(ctx, image); err != nil || !exists {
			t.Fatalf("%s: %v, %v", when, exists, err)
		}
	}
	if _, err := c.ImageExists(ctx, image); !errors.Is(err, ErrUnreachable) {
		t.Errorf("before the engine has started: %v", err)
	}
	engine.Open()
	there("once it has started")

	// All of these wait for the engine when it stops.
	frames, err := c.RawLogs(ctx, name, LogOptions{Follow: &follow})
	if err != nil {
		t.Fatal(err)
	}
	waiting := map[string]chan error{}
	begin := func(what string, call func() error) {
		ended := make(chan error, 1)
		waiting[what] = ended
		go func() { ended <- call() }()
	}
	begin("raw logs", func() error { _, err := io.ReadAll(frames); return err })
	begin("lines", func() error {
		_, err := c.FollowLogs(ctx, name, LogOptions{OnLine: func(LogLine) error { return nil }})
		return err
	})
	begin("wait", func() error { _, err := c.ContainerWait(ctx, name); return err })
	pulling := make(chan struct{})
	begin("pull", func() error {
		first := true
		_, err := c.Pull(ctx, large, PullOptions{OnProgress: func(p Progress) error {
			if first && p.Phase == PhaseDownloading {
				first = false
				close(pulling)
			}
			return nil
		}})
		return err
	})
	<-pulling
	engine.Close()
	for what, ended := range waiting {
		select {
		case err := <-ended:
			if err == nil || errors.Is(err, ErrPanic) || errors.Is(err, ErrNotFound) {
				t.Errorf("%s ended with %v when the engine stopped", what, err)
			}
		case <-time.After(90 * time.Second):
			t.Fatalf("%s does not end when the engine stops", what)
		}
	}
	if _, err := c.ContainerStatus(ctx, name); !errors.Is(err, ErrUnreachable) {
		t.Errorf("while it is stopped: %v", err)
	}
	engine.Open()
	there("once it is back")
	if result, err := c.Pull(ctx, large, PullOptions{}); err != nil || !result.Changed {
		t.Errorf("the pull that was cut, again: %+v, %v", result, err)
	}

	engine.Block()
	if _, err := c.ImageExists(ctx, image); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrUnreachable) {
		t.Errorf("while it does not answer: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := c.ContainerList(short, ContainerListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it does not answer: %v", err)
	}
	engine.Open()
	there("once it answers again")
}
