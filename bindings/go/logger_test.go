package refit

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// records is a handler that keeps what it gets of one image.
type records struct {
	level slog.Level
	image string
	each  func()

	mutex sync.Mutex
	all   []slog.Record
}

func (r *records) Enabled(_ context.Context, level slog.Level) bool { return level >= r.level }
func (r *records) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r *records) WithGroup(string) slog.Handler                    { return r }

func (r *records) Handle(_ context.Context, record slog.Record) error {
	if attribute(record, "image") != r.image {
		return nil
	}
	r.mutex.Lock()
	r.all = append(r.all, record)
	r.mutex.Unlock()
	if r.each != nil {
		r.each()
	}
	return nil
}

func (r *records) taken() []slog.Record {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	all := r.all
	r.all = nil
	return all
}

func attribute(record slog.Record, name string) any {
	var value any
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == name {
			value = a.Value.Any()
		}
		return true
	})
	return value
}

func TestALoggerGetsWhatItsLevelTakesUntilItIsRemoved(t *testing.T) {
	ctx, c, image := context.Background(), open(t), scope(t, "logger")+":1"
	defer SetLogger(nil)
	info := func() {
		t.Helper()
		if _, err := c.ImageInfo(ctx, image); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}

	debug := &records{level: slog.LevelDebug, image: image}
	SetLogger(slog.New(debug))
	info()
	requests, warnings := 0, 0
	for _, record := range debug.taken() {
		if attribute(record, "op") != "img_info" {
			t.Errorf("%v", record)
		}
		if record.Level == slog.LevelDebug && attribute(record, "target") == "refit::engine::request" {
			path, _ := attribute(record, "path").(string)
			if attribute(record, "method") != "GET" || attribute(record, "status") != int64(404) || !strings.Contains(path, "/images/") {
				t.Errorf("%v", record)
			}
			requests++
		}
		if record.Level == slog.LevelWarn && strings.Contains(record.Message, image) {
			warnings++
		}
	}
	if requests == 0 || warnings != 1 {
		t.Errorf("%d requests, %d warnings", requests, warnings)
	}

	warn := &records{level: slog.LevelWarn, image: image}
	SetLogger(slog.New(warn))
	info()
	if got, old := warn.taken(), debug.taken(); len(got) != 1 || len(old) != 0 {
		t.Errorf("%v, %v", got, old)
	}
	SetLogger(nil)
	info()
	if got := warn.taken(); len(got) != 0 {
		t.Errorf("a logger that was removed got %v", got)
	}
}

func TestAHandlerMayRemoveItselfAndMustNotCallTheLibrary(t *testing.T) {
	ctx, c, image := context.Background(), open(t), scope(t, "logger-in")+":1"
	defer SetLogger(nil)
	var refused error
	handler := &records{level: slog.LevelDebug, image: image}
	handler.each = func() {
		handler.each = nil
		_, refused = c.ImageExists(ctx, image)
		SetLogger(nil)
		panic("which ends nothing")
	}
	SetLogger(slog.New(handler))
	if found, err := c.ImageExists(ctx, image); found || err != nil {
		t.Fatal(found, err)
	}
	if got := handler.taken(); len(got) != 1 || !errors.Is(refused, ErrUnsupported) {
		t.Errorf("%v, %v", got, refused)
	}
}
