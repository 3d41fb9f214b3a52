package refit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// broken is the command of an image that does not stay up.
const broken = `["sh","-c","echo no configuration; exit 7"]`

func TestAContainerIsRecreatedFromItsNewImage(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "recreate")
	web := name + "-web"
	p := pull(t, name, "latest", "--version", "1.0")
	old := run(t, web, map[string]any{"Image": p.Reference, "Env": []string{"A=b"}, "Labels": map[string]string{"k": "v"}})
	pull(t, name, "latest", "--version", "2.0")

	phases := map[string]bool{}
	done, err := c.Recreate(ctx, web, RecreateOptions{Settle: -1, Actor: "the test", OnProgress: func(p Progress) error {
		phases[p.Phase] = p.Operation == "recreate" && p.Subject == web
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if done.Result != "recreated" || done.OldID != old || *done.NewID == old || *done.OldImageID == *done.NewImageID || done.DowntimeMS == nil || *done.State != "running" {
		t.Errorf("%+v", done)
	}
	for _, phase := range []string{"creating", "stopping", "starting", "done"} {
		if !phases[phase] {
			t.Errorf("%s was not reported: %v", phase, phases)
		}
	}
	if info, err := c.ContainerInfo(ctx, web); err != nil || info.ID != *done.NewID || !slices.Contains(info.Env, "A=b") || info.Labels["k"] != "v" {
		t.Errorf("%+v, %v", info, err)
	}
	if recovery, err := c.Recover(ctx, web, RecoverOptions{DryRun: true}); err != nil || len(recovery.Found) != 0 {
		t.Errorf("%+v, %v", recovery, err)
	}
}

func TestABrokenImageIsRolledBackWithItsReport(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "broken")
	web := name + "-web"
	p := pull(t, name, "latest")
	old := run(t, web, map[string]any{"Image": p.Reference})
	pull(t, name, "latest", "--cmd", broken)

	report, err := c.Recreate(ctx, web, RecreateOptions{})
	if !errors.Is(err, ErrRolledBack) || !strings.Contains(err.Error(), "no configuration") {
		t.Errorf("%v", err)
	}
	if report == nil || report.Result != "rolled_back" || report.OldID != old || report.LogsTail == nil || report.Error == nil || !errors.Is(report.Error, ErrRolledBack) {
		t.Errorf("%+v", report)
	}
	if status, err := c.ContainerStatus(ctx, web); err != nil || status.ID != old || status.State != "running" || status.Interrupted {
		t.Errorf("%+v, %v", status, err)
	}
}

// From the stop on, what was begun is undone before the call returns, with its report beside the caller's own error.
func TestTheErrorOfOnProgressRollsARecreationBack(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "undo")
	web := name + "-web"
	p := pull(t, name, "latest")
	old := run(t, web, map[string]any{"Image": p.Reference})
	pull(t, name, "latest")

	mine := errors.New("mine")
	for _, phase := range []string{"creating", "waiting"} {
		report, err := c.Recreate(ctx, web, RecreateOptions{Settle: 30 * time.Second, OnProgress: func(p Progress) error {
			if p.Phase == phase {
				return mine
			}
			return nil
		}})
		if err != mine || report == nil || (report.Result != "rolled_back" && report.Result != "failed") {
			t.Errorf("%s: %+v, %v", phase, report, err)
		}
		if status, err := c.ContainerStatus(ctx, web); err != nil || status.ID != old || status.State != "running" {
			t.Errorf("%s: %+v, %v", phase, status, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	report, err := c.Recreate(cancelled, web, RecreateOptions{Settle: 30 * time.Second, OnProgress: func(p Progress) error {
		if p.Phase == "waiting" {
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) || report == nil || report.Result != "rolled_back" {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAContainerWhoseProviderIsGoneIsAttachedToTheOneThatIsNamed(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "provider")
	vpn, web := name+"-vpn", name+"-web"
	p := pull(t, name, "latest")
	first := run(t, vpn, map[string]any{"Image": p.Reference})
	run(t, web, map[string]any{"Image": p.Reference, "HostConfig": map[string]any{"NetworkMode": "container:" + first}})
	engine(t, "DELETE", "/containers/"+first+"?force=1", nil, nil)
	second := run(t, vpn, map[string]any{"Image": p.Reference})

	if _, err := c.Recreate(ctx, web, RecreateOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("nobody says which container has its place: %v", err)
	}
	if _, err := c.Recreate(ctx, web, RecreateOptions{Provider: vpn + "-none"}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	done, err := c.Recreate(ctx, web, RecreateOptions{Provider: vpn, Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	attached := func(w Warning) bool { return w.Code == "provider_replaced" && strings.Contains(w.Message, vpn) }
	if !slices.ContainsFunc(done.Warnings, attached) {
		t.Errorf("%+v", done.Warnings)
	}
	var made struct{ HostConfig struct{ NetworkMode string } }
	engine(t, "GET", "/containers/"+web+"/json", nil, &made)
	if made.HostConfig.NetworkMode != "container:"+second {
		t.Errorf("%+v", made)
	}
}

func TestARecreationThatIsNotPossibleIsRefusedWithItsReason(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "refused")
	p := pull(t, name, "latest")
	run(t, name, map[string]any{"Image": p.Reference, "HostConfig": map[string]any{"AutoRemove": true}})
	report, err := c.Recreate(ctx, name, RecreateOptions{})
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "allow_auto_remove") || report == nil || report.Result != "refused" {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := c.Recreate(ctx, name+"-none", RecreateOptions{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if all, err := c.Recover(ctx, "", RecoverOptions{DryRun: true}); err != nil || all.Found == nil {
		t.Errorf("%+v, %v", all, err)
	}
}
