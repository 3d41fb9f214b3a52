package operation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// kept is how many operations that have ended are remembered.
const kept = 200

// The topics of changes that are no operation's.
const (
	TopicImages   = "images"
	TopicServers  = "servers"
	TopicHistory  = "history"
	TopicRecovery = "recovery"
)

// Registry has all operations of this process, and those of earlier ones that were kept.
type Registry struct {
	save func(*Operation)
	// boot tells this process's numbers from those of an earlier one.
	boot string

	mu      sync.Mutex
	number  uint64
	entries map[string]*entry
	order   []string // ids, oldest first
	busy    map[string]string
	topics  map[string]uint64
	news    chan struct{} // closed at the next change
	running sync.WaitGroup
	closed  bool
}

type entry struct {
	operation Operation
	number    uint64 // of its last change
	cancel    context.CancelFunc
	keys      []string
	written   []byte // the JSON of all of it, as it was at writtenAt
	writtenAt uint64
}

// NewRegistry begins with operations of earlier processes, which have ended. save is called at the begin and at the end of each.
func NewRegistry(earlier []Operation, save func(*Operation)) *Registry {
	r := &Registry{save: save, boot: random(4), entries: map[string]*entry{}, busy: map[string]string{}, topics: map[string]uint64{}, news: make(chan struct{})}
	for _, operation := range earlier {
		r.entries[operation.ID] = &entry{operation: operation}
		r.order = append(r.order, operation.ID)
	}
	return r
}

// Busy is another operation on the same image or server, which cannot be joined.
type Busy struct{ Operation Operation }

func (b *Busy) Error() string {
	return fmt.Sprintf("Another operation (%s) is in progress: wait until it has ended, or cancel it.", b.Operation.Kind)
}

// Work does the operation. What it returns is the operation's error; the rest it writes by set.
type Work func(ctx context.Context, set func(func(*Operation))) *Error

// Start begins an operation, or joins the one that has one of the keys, if join allows it for that one.
func (r *Registry) Start(o Operation, keys []string, join func(*Operation) bool, work Work) (started Operation, joined bool, err error) {
	started, joined, err = r.start(o, keys, join)
	if err != nil || joined {
		return started, joined, err
	}
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		r.run(started.ID, work)
	}()
	return started, false, nil
}

// StartBatch begins operations that run one after another. One that would be in the way of another is left out.
func (r *Registry) StartBatch(all []Operation, keys [][]string, work func(Operation) Work) (started []Operation) {
	for i, o := range all {
		one, joined, err := r.start(o, keys[i], func(*Operation) bool { return false })
		if err == nil && !joined {
			started = append(started, one)
		}
	}
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		for _, o := range started {
			r.run(o.ID, work(o))
		}
	}()
	return started
}

func (r *Registry) start(o Operation, keys []string, join func(*Operation) bool) (Operation, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return o, false, refit.ErrClosed
	}
	for _, key := range keys {
		if id, found := r.busy[key]; found {
			other := r.entries[id].operation.copy()
			if join(&other) {
				return other, true, nil
			}
			return other, false, &Busy{Operation: other}
		}
	}
	o.ID, o.State, o.StartedAt = random(8), Waiting, time.Now().UTC()
	o.Layers, o.Backups, o.Warnings = []Layer{}, []Backup{}, []refit.Warning{}
	if o.Servers == nil {
		o.Servers = []Server{}
	}
	e := &entry{operation: o.copy(), keys: keys}
	r.entries[o.ID] = e
	r.order = append(r.order, o.ID)
	for _, key := range keys {
		r.busy[key] = o.ID
	}
	r.changed(e)
	r.save(&o)
	r.forget()
	return o, false, nil
}

// run does the work of an operation that has begun.
func (r *Registry) run(id string, work Work) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.mu.Lock()
	e := r.entries[id]
	e.cancel = cancel
	if e.operation.State == Cancelled {
		r.end(e)
		r.mu.Unlock()
		return
	}
	if r.closed {
		cancel()
	}
	e.operation.State = Running
	r.changed(e)
	r.mu.Unlock()
	failure := work(ctx, func(change func(*Operation)) { r.set(id, change) })
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &e.operation
	now := time.Now().UTC()
	o.FinishedAt, o.Error, o.Phase, o.BytesPerSecond, o.ETASeconds = &now, failure, nil, nil, nil
	switch {
	case failure == nil:
		o.State, o.Permille = Done, 1000
	case failure.Code == "CANCELLED":
		o.State = Cancelled
	case failure.Code == "ROLLED_BACK":
		o.State = RolledBack
	case failure.Code == "ROLLBACK_FAILED":
		o.State = RollbackFailed
	default:
		o.State = Failed
	}
	for i := range o.Servers {
		if server := &o.Servers[i]; server.State == Waiting || server.State == Running {
			server.State = refit.ResultNotAttempted
		}
		o.Servers[i].Phase = nil
	}
	r.end(e)
}

// end is called with r.mu locked, once the operation is as it will be.
func (r *Registry) end(e *entry) {
	for _, key := range e.keys {
		delete(r.busy, key)
	}
	ended := e.operation.copy()
	r.save(&ended)
	for _, topic := range []string{TopicImages, TopicServers, TopicHistory, TopicRecovery} {
		r.number++
		r.topics[topic] = r.number
	}
	// Last, so that a client that reads its end reads everything else as it is afterwards.
	r.changed(e)
}

func (r *Registry) set(id string, change func(*Operation)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	change(&e.operation)
	r.changed(e)
}

// changed is called with r.mu locked.
func (r *Registry) changed(e *entry) {
	r.number++
	if e != nil {
		e.number = r.number
	}
	close(r.news)
	r.news = make(chan struct{})
}

// Changed says that something of a topic has changed.
func (r *Registry) Changed(topics ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, topic := range topics {
		r.changed(nil)
		r.topics[topic] = r.number
	}
}

// forget is called with r.mu locked.
func (r *Registry) forget() {
	for i := 0; len(r.order) > kept && i < len(r.order); {
		if e := r.entries[r.order[i]]; e.operation.Ended() {
			delete(r.entries, r.order[i])
			r.order = slices.Delete(r.order, i, i+1)
		} else {
			i++
		}
	}
}

// Cancel ends an operation as soon as that is safe; false: it has ended.
func (r *Registry) Cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	if e == nil || e.operation.Ended() {
		return false
	}
	if e.cancel == nil {
		// It waits for its turn in a batch, and ends as soon as that comes.
		e.operation.State = Cancelled
		now := time.Now().UTC()
		e.operation.FinishedAt = &now
		r.changed(e)
		return true
	}
	e.cancel()
	return true
}

// Get finds an operation.
func (r *Registry) Get(id string) (Operation, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	if e == nil {
		return Operation{}, false
	}
	return e.operation.copy(), true
}

// List are all operations, newest first.
func (r *Registry) List() []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Operation, 0, len(r.order))
	for i := len(r.order) - 1; i >= 0; i-- {
		list = append(list, r.entries[r.order[i]].operation.copy())
	}
	return list
}

// ByKey is the operation on an image or server, if one runs or waits.
func (r *Registry) ByKey(key string) *Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, found := r.busy[key]
	if !found {
		return nil
	}
	o := r.entries[id].operation.copy()
	return &o
}

// Close cancels all operations and waits for them: a container that is being replaced is finished or rolled back first.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	for _, e := range r.entries {
		if e.cancel != nil && !e.operation.Ended() {
			e.cancel()
		}
	}
	r.mu.Unlock()
	r.running.Wait()
}

// Event is one of a stream.
type Event struct {
	ID, Name string
	Data     []byte
}

// since is the number in the id of an event; false when it is of another process, or none.
func (r *Registry) since(last string) (uint64, bool) {
	boot, text, _ := strings.Cut(last, "-")
	number, err := strconv.ParseUint(text, 10, 64)
	return number, err == nil && boot == r.boot
}

func (r *Registry) eventID(number uint64) string {
	return r.boot + "-" + strconv.FormatUint(number, 10)
}

func random(bytes int) string {
	random := make([]byte, bytes)
	// It never fails on Linux.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// json is the whole operation, written once for all administrators. It is called with r.mu locked.
func (e *entry) json() []byte {
	if e.writtenAt != e.number || e.written == nil {
		// An Operation has nothing that cannot be written.
		e.written, _ = json.Marshal(&e.operation)
		e.writtenAt = e.number
	}
	return e.written
}

// NewID is one for several operations that belong together.
func NewID() string { return random(8) }
