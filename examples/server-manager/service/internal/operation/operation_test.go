package operation

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"
)

func text(value string) *string { return &value }

func TestWhatAUserSeesOfAnOperation(t *testing.T) {
	one, two := uint(1), uint(2)
	all := []Server{{ID: &one, Container: "one"}, {ID: &two, Container: "two"}, {Container: "other"}}
	for _, c := range []struct {
		what    string
		o       Operation
		visible bool
		servers int
		actor   bool
		message string
	}{
		{"a pull of an administrator", Operation{Kind: Pull, Actor: text("admin"), Error: &Error{Code: "DATA", Message: "secret"}}, true, 0, false, "It did not succeed; an administrator can see why."},
		{"an update of everything", Operation{Kind: Update, Actor: text("admin"), Servers: all}, true, 1, false, ""},
		{"their own recreation", Operation{Kind: Recreate, Actor: text("ann"), Servers: all[:1], Error: &Error{Code: "DATA", Message: "theirs"}}, true, 1, true, "theirs"},
		{"somebody else's recreation", Operation{Kind: Recreate, Actor: text("bob"), Servers: all[1:2]}, false, 0, false, ""},
		{"a recovery of other servers", Operation{Kind: Recover, Actor: text("admin"), Servers: all[1:]}, false, 0, false, ""},
		{"a recovery of theirs too", Operation{Kind: Recover, Actor: text("admin"), Servers: all}, true, 1, false, ""},
	} {
		seen, err := c.o.For(Viewer{Username: "ann", Owns: map[uint]bool{1: true}})
		if c.visible != (err == nil) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if !c.visible {
			continue
		}
		if len(seen.Servers) != c.servers || (seen.Actor != nil) != c.actor || c.message != "" && seen.Error.Message != c.message {
			t.Errorf("%s: %+v", c.what, seen)
		}
		if whole, err := c.o.For(Viewer{Administrator: true}); err != nil || len(whole.Servers) != len(c.o.Servers) || whole.Actor == nil {
			t.Errorf("%s, for an administrator: %+v, %v", c.what, whole, err)
		}
	}
}

func TestASlowClientSkipsStatesAndMissesNoEnd(t *testing.T) {
	r := NewRegistry(nil, func(*Operation) {})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	count, ended := 0, false
	enough := errors.New("enough")
	followed := make(chan error, 1)
	// A stream that begins after the end does not have it.
	var begun sync.Once
	listening := make(chan bool)
	go func() {
		followed <- r.Follow(ctx, func() Viewer { return Viewer{Administrator: true} }, "", func(events []Event) error {
			begun.Do(func() { close(listening) })
			time.Sleep(50 * time.Millisecond)
			for _, event := range events {
				var o Operation
				if event.Name != "operation" {
					continue
				}
				if err := json.Unmarshal(event.Data, &o); err != nil {
					return err
				}
				mu.Lock()
				count++
				ended = o.State == Done
				mu.Unlock()
				if o.State == Done {
					return enough
				}
			}
			return nil
		})
	}()
	<-listening
	_, joined, err := r.Start(Operation{Kind: Pull, Actor: text("admin")}, []string{"image"}, func(*Operation) bool { return true }, func(_ context.Context, set func(func(*Operation))) *Error {
		for i := range 5000 {
			set(func(o *Operation) { o.Permille = i / 5 })
		}
		return nil
	})
	if err != nil || joined {
		t.Fatal(joined, err)
	}
	select {
	case err := <-followed:
		if !errors.Is(err, enough) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the end did not come")
	}
	mu.Lock()
	defer mu.Unlock()
	if !ended || count > 100 {
		t.Errorf("%d events for 5000 changes, ended: %v", count, ended)
	}
}

func TestASecondOperationJoinsOrIsRefused(t *testing.T) {
	r := NewRegistry(nil, func(*Operation) {})
	release := make(chan bool)
	work := func(context.Context, func(func(*Operation))) *Error { <-release; return nil }
	yes, no := func(*Operation) bool { return true }, func(*Operation) bool { return false }
	first, _, err := r.Start(Operation{Kind: Update}, []string{"a"}, yes, work)
	if err != nil {
		t.Fatal(err)
	}
	if second, joined, err := r.Start(Operation{Kind: Update}, []string{"a"}, yes, work); err != nil || !joined || second.ID != first.ID {
		t.Errorf("%v, %v, %v", second.ID, joined, err)
	}
	var busy *Busy
	if _, _, err := r.Start(Operation{Kind: Rollback}, []string{"a"}, no, work); !errors.As(err, &busy) || busy.Operation.ID != first.ID {
		t.Errorf("%v", err)
	}
	if _, joined, err := r.Start(Operation{Kind: Update}, []string{"b"}, no, work); err != nil || joined {
		t.Errorf("another image: %v, %v", joined, err)
	}
	close(release)
	r.Close()
	if o, found := r.Get(first.ID); !found || o.State != Done || o.FinishedAt == nil || o.Permille != 1000 {
		t.Errorf("%+v", o)
	}
	if o := r.ByKey("a"); o != nil {
		t.Errorf("%+v", o)
	}
}

func TestABatchIsCancelledBeforeItsTurn(t *testing.T) {
	r := NewRegistry(nil, func(*Operation) {})
	begun := make(chan string, 2)
	release := make(chan bool)
	started := r.StartBatch([]Operation{{Kind: Update, BatchID: text("1")}, {Kind: Update, BatchID: text("2")}}, [][]string{{"a"}, {"b"}}, func(o Operation) Work {
		return func(context.Context, func(func(*Operation))) *Error {
			begun <- *o.BatchID
			<-release
			return nil
		}
	})
	if first := <-begun; first != "1" || len(started) != 2 {
		t.Fatalf("%s of %d", first, len(started))
	}
	if !r.Cancel(started[1].ID) {
		t.Error("it could not be cancelled")
	}
	close(release)
	r.Close()
	if o, _ := r.Get(started[1].ID); o.State != Cancelled || len(begun) != 0 {
		t.Errorf("%+v, and %d more have begun", o, len(begun))
	}
	if o := r.ByKey("b"); o != nil {
		t.Errorf("%+v", o)
	}
	if r.Cancel(started[0].ID) {
		t.Error("one that has ended was cancelled")
	}
}
