package docker_manager

import (
	"errors"
	"strings"
	"testing"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// A service starts before its engine, loses it in the middle of a pull, and has it back: the same manager works, and says what happened meanwhile.
func TestAManagerSurvivesAnEngineThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "away"), lab.NewSwitch(t, "")
	image := lab.Publish(t, name, "1", "--random-mb", "100").Reference
	profile := profileOf(name, image)
	profile.Options.Host = engine.Host
	dm := managed(t, profile)
	absent := func(when string) {
		t.Helper()
		if status := dm.GetImageStatus(image); status.Error == "" || status.Ready || status.Exists || strings.Contains(status.Error, "\n") {
			t.Errorf("%s: %+v", when, status)
		}
		if _, err := dm.ValidateRequiredImages(); !errors.Is(err, refit.ErrUnreachable) {
			t.Errorf("%s: %v", when, err)
		}
		if status, err := dm.GetContainerStatus(name + "-1"); status == "not_found" || !errors.Is(err, refit.ErrUnreachable) {
			t.Errorf("%s: %q, %v", when, status, err)
		}
		if updates, err := dm.CheckImageUpdates([]string{image}); len(updates) != 0 || err == nil {
			t.Errorf("%s: %v, %v", when, updates, err)
		}
		if _, err := create(dm); !errors.Is(err, refit.ErrUnreachable) {
			t.Errorf("%s: %v", when, err)
		}
	}
	absent("before the engine has started")
	engine.Open()
	if missing, err := dm.ValidateRequiredImages(); err != nil || len(missing) != 1 {
		t.Errorf("%v, %v", missing, err)
	}
	pulled := make(chan error, 1)
	go func() { pulled <- dm.PullImageWithProgress(image) }()
	eventually(t, "the pull is in progress", func() bool { return len(dm.GetImageStatus(image).Layers) > 0 })
	engine.Close()
	err := ends(t, "the pull", func() error { return <-pulled })
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	absent("while it is stopped")
	engine.Open()
	if status := dm.GetImageStatus(image); status.Exists || status.Pulling || status.Error != err.Error() {
		t.Errorf("%+v", status)
	}
	if err := dm.PullImage(image); err != nil {
		t.Fatal(err)
	}
	if status := dm.GetImageStatus(image); !status.Ready || status.Error != "" {
		t.Errorf("%+v", status)
	}
	if _, err := create(dm); err != nil {
		t.Error(err)
	}
}
