package refit

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errCause = errors.New("the user went away")

func TestAContextThatHasEndedDoesNothing(t *testing.T) {
	c, name := open(t), scope(t, "ended")
	p := publish(t, name, "1")
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errCause)
	expired, done := context.WithTimeout(context.Background(), 0)
	defer done()
	within(t, time.Minute, "three calls", func() {
		_, err := c.Pull(cancelled, p.Reference, PullOptions{})
		var e *Error
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errCause) || errors.Is(err, ErrClosed) || !errors.As(err, &e) || e.Op != "img_pull" || e.Code != CodeCancelled {
			t.Errorf("%+v", err)
		}
		if _, err := c.ImageExists(expired, p.Reference); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if c, err := Open(expired, Options{}); c != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	if exists, err := c.ImageExists(context.Background(), p.Reference); err != nil || exists {
		t.Errorf("%v, %v", exists, err)
	}
}

func TestAPullEndsWithItsContext(t *testing.T) {
	c, name := open(t), scope(t, "cancel")
	p := publish(t, name, "1", "--random-mb", "100")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var at time.Time
	_, err := c.Pull(ctx, p.Reference, PullOptions{OnProgress: func(p Progress) error {
		if p.Phase == "downloading" && p.Layer == "" && at.IsZero() {
			at = time.Now()
			cancel()
		}
		return nil
	}})
	if took := time.Since(at); !errors.Is(err, context.Canceled) || took > time.Minute {
		t.Errorf("%v after %v", err, took)
	}

	ctx, done := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer done()
	within(t, time.Minute, "a pull of 150 ms", func() {
		if _, err := c.Pull(ctx, p.Reference, PullOptions{}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
	})
	if _, err := c.Pull(context.Background(), p.Reference, PullOptions{Timeout: 150 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if result, err := c.Pull(context.Background(), p.Reference, PullOptions{}); err != nil || !result.Changed {
		t.Errorf("a pull after three that were ended: %+v, %v", result, err)
	}
}

func TestOneOfTwoPullsEndsWithItsContextAndTheOtherGoesOn(t *testing.T) {
	c, name := open(t), scope(t, "two")
	p := publish(t, name, "1", "--random-mb", "100")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	other := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		first := true
		_, err := c.Pull(context.Background(), p.Reference, PullOptions{OnProgress: func(Progress) error {
			if first {
				close(begun)
			}
			first = false
			return nil
		}})
		other <- err
	}()
	<-begun
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Pull(ctx, p.Reference, PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Error(err)
	}
}
