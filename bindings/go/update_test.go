package refit

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAnImageIsCheckedPlannedAndUpdated(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "update")
	web := name + "-web"
	old := pull(t, name, "latest", "--version", "1.0")
	before := run(t, web, map[string]any{"Image": old.Reference, "Env": []string{"A=b"}})
	if check, err := c.CheckUpdate(ctx, old.Reference, CheckOptions{}); err != nil || check.State != "up_to_date" || *check.HasUpdate {
		t.Fatalf("%+v, %v", check, err)
	}
	wanted := publish(t, name, "latest", "--version", "2.0")

	check, err := c.CheckUpdate(ctx, old.Reference, CheckOptions{})
	if err != nil || check.State != "update_available" || !*check.HasUpdate || *check.Local.Version != "1.0" || *check.Remote.Version != "2.0" {
		t.Fatalf("%+v, %v", check, err)
	}
	checks, err := c.CheckUpdates(ctx, []string{old.Reference, "127.0.0.1:1/nowhere:1"}, CheckOptions{})
	if err != nil || len(checks) != 2 || checks[0].State != "update_available" || checks[1].HasUpdate != nil || checks[1].Error == nil {
		t.Errorf("%+v, %v", checks, err)
	}
	plan, err := c.PlanUpdate(ctx, old.Reference, UpdateOptions{})
	if err != nil || !plan.Pull || *plan.ExpectDigest != wanted.Digest || len(plan.Containers) != 1 || plan.Containers[0].Action != "recreate_and_start" {
		t.Fatalf("%+v, %v", plan, err)
	}

	// An empty list is no list of all.
	if none, err := c.PlanUpdate(ctx, old.Reference, UpdateOptions{Containers: []string{}}); err != nil || len(none.Containers) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	if none, err := c.CheckUpdates(ctx, []string{}, CheckOptions{}); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}

	last := Progress{}
	options := UpdateOptions{ExpectDigest: *plan.ExpectDigest, OnProgress: func(p Progress) error { last = p; return nil }}
	options.Settle = 300 * time.Millisecond
	report, err := c.Update(ctx, old.Reference, options)
	if err != nil || report.Tag != "moved" || len(report.Containers) != 1 || report.Containers[0].Result != "recreated" || report.Containers[0].OldID != before {
		t.Fatalf("%+v, %v", report, err)
	}
	if last.Phase != "done" || last.Permille != 1000 {
		t.Errorf("the last report is %+v", last)
	}
	back, err := c.Rollback(ctx, old.Reference, RollbackOptions{RecreateOptions: RecreateOptions{Settle: 300 * time.Millisecond, Actor: "ann"}})
	if err != nil || back.Tag != "moved" || back.To == nil || *back.To.Version != "1.0" || len(back.Containers) != 1 {
		t.Fatalf("%+v, %v", back, err)
	}
	entries, err := c.HistoryList(ctx, HistoryOptions{Container: web})
	if err != nil || len(entries) != 2 || entries[0].Kind != "rollback" || *entries[0].Actor != "ann" || entries[1].Kind != "update" || *entries[1].To.Version != "2.0" {
		t.Fatalf("%+v, %v", entries, err)
	}
	options.ExpectDigest = ""
	list, err := c.UpdateAll(ctx, []string{old.Reference, "127.0.0.1:1/nowhere:1"}, options)
	if err != nil || len(list) != 2 || list[0].Error != nil || len(list[0].Containers) != 1 || list[1].Error == nil {
		t.Fatalf("%+v, %v", list, err)
	}
	if removed, err := c.RemoveOld(ctx, old.Reference, RemoveOldOptions{}); err != nil || len(removed.Removed) != 1 {
		t.Errorf("%+v, %v", removed, err)
	}
}

func TestABrokenUpdateComesWithItsReport(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "update-broken")
	web := name + "-web"
	old := pull(t, name, "latest")
	before := run(t, web, map[string]any{"Image": old.Reference})
	publish(t, name, "latest", "--cmd", broken)

	report, err := c.Update(ctx, old.Reference, UpdateOptions{})
	if !errors.Is(err, ErrRolledBack) || report == nil || report.Tag != "restored" || report.Containers[0].Result != "rolled_back" || report.Error == nil {
		t.Errorf("%+v, %v", report, err)
	}
	if info, err := c.ContainerInfo(ctx, web); err != nil || info.ID != before || info.State != "running" {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestACheckWithoutAVerdictIsBoth(t *testing.T) {
	check, err := open(t).CheckUpdate(context.Background(), "127.0.0.1:1/nowhere:1", CheckOptions{})
	if !errors.Is(err, ErrUnreachable) || check == nil || check.State != "unreachable" || check.HasUpdate != nil {
		t.Errorf("%+v, %v", check, err)
	}
}
