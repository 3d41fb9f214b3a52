package it

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is one of a stream.
type event struct {
	id, name string
	data     object
}

// listen opens a stream and gives its events until ctx ends; the channel is closed with the stream.
func (u *user) listen(ctx context.Context, path, last string) <-chan event {
	u.t.Helper()
	request, err := http.NewRequestWithContext(ctx, "GET", u.address+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	if u.token != "" {
		request.Header.Set("Authorization", "Bearer "+u.token)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		u.t.Fatal(err)
	}
	if answer.StatusCode != 200 {
		u.t.Fatalf("%s: %d", path, answer.StatusCode)
	}
	if err := api.check("GET", path, 200, answer.Header.Get("Content-Type"), nil); err != nil {
		u.t.Error(err)
	}
	events := make(chan event, 1000)
	go func() {
		defer answer.Body.Close()
		defer close(events)
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		var e event
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				if strings.Contains(path, "/events") {
					if err := api.validate("#/components/schemas/EventData", []byte(value)); err != nil {
						u.t.Errorf("%v", err)
					}
				}
				json.Unmarshal([]byte(value), &e.data)
			case "":
				if e.name != "" {
					events <- e
				}
				e = event{}
			}
		}
	}()
	return events
}

func TestAStreamGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	name := scope(t, "resume")
	image := publish(t, name, "1.0", game, "--random-mb", "5")
	s := start(t, name, []string{image})
	admin := s.admin()
	ann := admin.member("ann")
	ctx, cut := context.WithCancel(context.Background())
	first := admin.listen(ctx, "/api/servers/images/events", "")
	last := (<-first).id
	begun := admin.must("POST", "/api/images/pull", object{"image_name": image}, 202)
	id := begun["operation"].(object)["id"]
	for e := range first {
		if last = e.id; e.name == "operation" {
			break
		}
	}
	cut()
	admin.finished(begun)
	again, cut := context.WithTimeout(context.Background(), 30*time.Second)
	defer cut()
	// A ticket opens one stream, for clients that send no header; it has the last id in its URL.
	ticket := admin.must("POST", "/api/images/events/ticket", nil, 201)["ticket"].(string)
	where := path("/api/images/events?ticket=%s&last_event_id=%s", ticket, last)
	ended := false
	for e := range s.nobody().listen(again, where, "") {
		if e.name == "operation" && e.data["id"] == id && e.data["state"] == "done" {
			ended = true
			break
		}
	}
	if !ended {
		t.Error("the end of the operation did not come after the last id")
	}
	s.nobody().refused("GET", where, nil, 401, "UNAUTHORIZED")
	s.nobody().refused("GET", "/api/images/events?ticket=guessed", nil, 401, "UNAUTHORIZED")

	// After a restart the ids of the old process are none of the new one, and everything that ended comes.
	s.process.Process.Signal(os.Interrupt)
	<-s.ended
	s.run()
	found := false
	for e := range admin.listen(again, "/api/images/events", last) {
		if e.name == "operation" && e.data["id"] == id && e.data["state"] == "done" {
			found = true
			break
		}
	}
	if !found {
		t.Error("the end of the operation did not come after a restart")
	}
	if e, open := <-ann.listen(again, "/api/images/events", ""); !open || e.id == "" {
		t.Errorf("%v", e)
	}
}

func TestLogsAndStatisticsAreStreamed(t *testing.T) {
	t.Parallel()
	admin, _, image := withLocalImage(t, "follow")
	id := admin.server("one", image)
	admin.must("POST", path("/api/servers/%d/start", id), nil, 200)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	logs := admin.listen(ctx, path("/api/servers/%d/logs/stream", id), "")
	stats := admin.listen(ctx, path("/api/servers/%d/stats/stream", id), "")
	if e := <-logs; e.name != "line" || e.data["text"] != "version 1.0 runs" || e.data["stream"] != 1.0 {
		t.Errorf("%v", e)
	}
	for range 2 {
		if e := <-stats; e.name != "stats" || e.data["memory_limit_mb"] == nil {
			t.Errorf("%v", e)
		}
	}
	admin.must("POST", path("/api/servers/%d/stop", id), nil, 200)
	for name, events := range map[string]<-chan event{"logs": logs, "stats": stats} {
		var last event
		for e := range events {
			last = e
		}
		if last.name != "end" || (last.data["code"] == nil) != (name == "logs") {
			t.Errorf("%s: %v", name, last)
		}
	}
}

// memory is what the process has in RAM, in KiB.
func (s *service) memory() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, _ := strconv.Atoi(strings.Fields(value)[0])
			return kib
		}
	}
	return 0
}

func TestFiftyStreamsWhileTenImagesArePulled(t *testing.T) {
	name := scope(t, "crowd")
	var images []string
	for i := range 10 {
		images = append(images, publish(t, path("%s-%d", name, i), "1.0", game, "--random-mb", "4"))
	}
	s := start(t, name, images)
	admin := s.admin()
	ann := admin.member("ann")
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var mu sync.Mutex
	ended := map[int]map[string]bool{}
	opened := make(chan bool, 50)
	for i := range 50 {
		who := admin
		if i%2 == 1 {
			who = ann
		}
		events := who.listen(ctx, "/api/images/events", "")
		all.Add(1)
		go func() {
			defer all.Done()
			first := true
			for e := range events {
				if first {
					opened <- true
					first = false
				}
				if i >= 40 {
					// These read slowly, and must not hold back the others.
					time.Sleep(20 * time.Millisecond)
				}
				if e.name == "operation" && e.data["state"] == "done" {
					mu.Lock()
					if ended[i] == nil {
						ended[i] = map[string]bool{}
					}
					ended[i][e.data["image_name"].(string)] = true
					mu.Unlock()
				}
			}
		}()
	}
	for range 50 {
		<-opened
	}
	before := s.memory()
	round := func() {
		t.Helper()
		mu.Lock()
		clear(ended)
		mu.Unlock()
		var begun []object
		for _, image := range images {
			begun = append(begun, admin.must("POST", "/api/images/pull", object{"image_name": image}, 202))
		}
		for _, answer := range begun {
			if o := admin.finished(answer); o["state"] != "done" {
				t.Fatalf("%v", o)
			}
		}
		eventually(t, "each of the 50 streams has had the end of each of the ten pulls", func() bool {
			mu.Lock()
			defer mu.Unlock()
			for i := range 50 {
				if len(ended[i]) != len(images) {
					return false
				}
			}
			return true
		})
	}
	round()
	warm := s.memory()
	for version := range 2 {
		for i := range images {
			publish(t, path("%s-%d", name, i), path("%d.0", version+2), game, "--random-mb", "4")
		}
		round()
	}
	after := s.memory()
	t.Logf("memory: %d KiB with 50 streams, %d after ten pulls, %d after thirty", before, warm, after)
	if after > warm+16<<10 {
		t.Errorf("memory grows: %d KiB after ten pulls, %d after thirty", warm, after)
	}
	cancel()
	all.Wait()
}
