package operation

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// pause is how long a stream rests after it has sent something: five states of an operation a second are enough for the eye.
const pause = 200 * time.Millisecond

// Follow calls send with everything that the viewer may see and that has changed since the event with the id last, then with every change, until
// ctx ends or send fails. With an id that is not of this process, or none, it begins with the operations that have not ended; with one of an
// earlier process, with those too that have.
func (r *Registry) Follow(ctx context.Context, viewer func() Viewer, last string, send func([]Event) error) error {
	number, known := r.since(last)
	if !known {
		number = 0
	}
	events, number, news := r.collect(viewer(), number, known || last != "")
	// The id is sent at once, so that a client that is cut off before anything has happened misses nothing.
	if len(events) == 0 {
		events = []Event{{ID: r.eventID(number), Name: "changed", Data: topicJSON(TopicImages)}}
	}
	for {
		if len(events) > 0 {
			if err := send(events); err != nil {
				return err
			}
			if err := rest(ctx, pause); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
			events, number, news = r.collect(viewer(), number, true)
		}
	}
}

func rest(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// collect gives what has changed after number, and what will be closed at the next change. ended: also operations that have ended.
func (r *Registry) collect(viewer Viewer, number uint64, ended bool) ([]Event, uint64, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	type change struct {
		number uint64
		event  Event
	}
	var changes []change
	for _, e := range r.entries {
		// Those of an earlier process have the number 0, and are new to a client of that process.
		if e.number <= number && !(number == 0 && ended && e.number == 0) || !ended && e.operation.Ended() {
			continue
		}
		data := []byte(nil)
		if viewer.Administrator {
			data = e.json()
		} else if visible, err := e.operation.For(viewer); err == nil {
			data, _ = json.Marshal(&visible)
		} else {
			continue
		}
		changes = append(changes, change{e.number, Event{ID: r.eventID(e.number), Name: "operation", Data: data}})
	}
	for topic, at := range r.topics {
		if at > number && number > 0 {
			changes = append(changes, change{at, Event{ID: r.eventID(at), Name: "changed", Data: topicJSON(topic)}})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.number, b.number) })
	events := make([]Event, len(changes))
	for i, c := range changes {
		events[i] = c.event
	}
	return events, r.number, r.news
}

func topicJSON(topic string) []byte {
	text, _ := json.Marshal(map[string]string{"topic": topic})
	return text
}
