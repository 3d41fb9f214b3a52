package refit

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestAServiceIsListedCheckedUpdatedAndRolledBack(t *testing.T) {
	ctx, host := context.Background(), lab.Swarm(t)
	c, err := Open(ctx, Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	name := scope(t, "service")
	old := publish(t, name, "latest", "--version", "1.0")
	second := int64(time.Second)
	spec := map[string]any{
		"Name":         name,
		"TaskTemplate": map[string]any{"ContainerSpec": map[string]any{"Image": old.Reference + "@" + old.Digest, "StopGracePeriod": second}},
		"Mode":         map[string]any{"Replicated": map[string]any{"Replicas": 1}},
		"UpdateConfig": map[string]any{"Parallelism": 1, "Monitor": second},
	}
	lab.EngineAt(t, host, "POST", "/services/create", spec, nil)
	within(t, time.Minute, "the start of a service", func() {
		for running := 0; running == 0; time.Sleep(100 * time.Millisecond) {
			services, err := c.ServiceList(ctx, ServiceListOptions{})
			if err != nil || len(services) != 1 || services[0].Name != name || services[0].ReplicasWanted != 1 || services[0].UpdateState != nil {
				t.Fatalf("%+v, %v", services, err)
			}
			running = services[0].ReplicasRunning
		}
	})
	wanted := publish(t, name, "latest", "--version", "2.0")
	check, err := c.ServiceCheckUpdate(ctx, name, CheckOptions{})
	if err != nil || check.Service != name || check.State != CheckUpdateAvailable || !*check.HasUpdate || *check.Local.Version != "1.0" {
		t.Fatalf("%+v, %v", check, err)
	}
	plan, err := c.PlanUpdate(ctx, old.Reference, UpdateOptions{})
	if err != nil || !slices.Equal(plan.Services, []string{name}) {
		t.Errorf("%+v, %v", plan, err)
	}
	last := Progress{}
	confirmed := ServiceUpdateOptions{ExpectDigest: check.Remote.Digest, Actor: "ann", OnProgress: func(p Progress) error { last = p; return nil }}
	report, err := c.ServiceUpdate(ctx, name, confirmed)
	if err != nil || report.Result != ServiceResultUpdated || report.To.Image != old.Reference+"@"+wanted.Digest || *report.UpdateState != ServiceCompleted {
		t.Fatalf("%+v, %v", report, err)
	}
	if last.Operation != "service_update" || last.Subject != name || last.Permille != 1000 {
		t.Errorf("the last report is %+v", last)
	}
	publish(t, name, "latest", "--cmd", broken)
	report, err = c.ServiceUpdate(ctx, name, ServiceUpdateOptions{})
	if !errors.Is(err, ErrRolledBack) || report == nil || report.Result != ServiceResultRolledBack || report.From.Image != old.Reference+"@"+wanted.Digest || report.LogsTail == nil {
		t.Errorf("%+v, %v", report, err)
	}
	entries, err := c.HistoryList(ctx, HistoryOptions{Kind: HistoryServiceUpdate})
	if err != nil || len(entries) != 2 || entries[0].Result != HistoryRolledBack || *entries[1].Service != name || *entries[1].Actor != "ann" {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestAnEngineWithoutASwarmHasNoServices(t *testing.T) {
	services, err := open(t).ServiceList(context.Background(), ServiceListOptions{})
	if !errors.Is(err, ErrUnsupported) || services != nil {
		t.Errorf("%+v, %v", services, err)
	}
}
