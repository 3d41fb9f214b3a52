package refit

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestImagesAreListedAndDescribed(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "image")
	p := pull(t, name, "1", "--version", "1.0", "--env", "A=b", "--label", "k=v", "--expose", "80/tcp", "--volume", "/data",
		"--healthcheck", `{"Test":["CMD","true"],"Interval":1000000000}`)
	run(t, name+"-web", map[string]any{"Image": p.Reference})

	if exists, err := c.ImageExists(ctx, p.Reference); err != nil || !exists {
		t.Errorf("exists %v, %v", exists, err)
	}
	if exists, err := c.ImageExists(ctx, p.Reference+"-not"); err != nil || exists {
		t.Errorf("another exists %v, %v", exists, err)
	}
	images, err := c.ImageList(ctx, ImageListOptions{Reference: p.Reference, Labels: map[string]string{"k": "v"}})
	if err != nil || len(images) != 1 || !slices.Equal(images[0].Tags, []string{p.Reference}) || images[0].Containers != 1 || images[0].Created == nil {
		t.Errorf("%+v, %v", images, err)
	}
	if none, err := c.ImageList(ctx, ImageListOptions{Names: []string{name + "-none"}}); err != nil || none == nil || len(none) != 0 {
		t.Errorf("%#v, %v", none, err)
	}
	info, err := c.ImageInfo(ctx, p.Reference)
	if err != nil {
		t.Fatal(err)
	}
	if *info.Version != "1.0" || info.Labels["k"] != "v" || !slices.Contains(info.Env, "A=b") || !slices.Equal(info.ExposedPorts, []string{"80/tcp"}) ||
		!slices.Equal(info.Volumes, []string{"/data"}) || info.Healthcheck == nil || info.Entrypoint != nil || info.Cmd == nil || info.LastPulled != nil {
		t.Errorf("%+v", info)
	}
	layers, err := c.ImageHistory(ctx, p.Reference)
	if err != nil || len(layers) == 0 {
		t.Errorf("%+v, %v", layers, err)
	}
	status, err := c.ImageStatus(ctx, p.Reference)
	if err != nil || !status.Exists || !status.Ready || status.Pulling || status.Operation != nil || status.LastError != nil {
		t.Errorf("%+v, %v", status, err)
	}
	missing, err := c.ImageMissing(ctx, []string{p.Reference, name + "/none:1"})
	if err != nil || !slices.Equal(missing.Present, []string{p.Reference}) || !slices.Equal(missing.Missing, []string{name + "/none:1"}) {
		t.Errorf("%+v, %v", missing, err)
	}
	if missing, err := c.ImageMissing(ctx, nil); err != nil || len(missing.Missing) != 0 {
		t.Errorf("%+v, %v", missing, err)
	}
	containers, err := c.Containers(ctx, p.Reference)
	if err != nil || len(containers) != 1 || containers[0].Name != name+"-web" || containers[0].Match != "reference" || containers[0].Outdated {
		t.Errorf("%+v, %v", containers, err)
	}
}

func TestAPullTellsWhatHasChanged(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "pull")
	first := publish(t, name, "latest", "--version", "1.0")
	var reports []Progress
	result, err := c.Pull(ctx, first.Reference, PullOptions{OnProgress: func(p Progress) error {
		reports = append(reports, p)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !result.Changed || result.Before != nil || *result.Digest != first.Digest || result.Shared || result.BytesDownloaded == 0 {
		t.Errorf("%+v", result)
	}
	last := reports[len(reports)-1]
	if last.Phase != "done" || last.Permille != 1000 || last.Layer != "" || last.Operation != "pull" || last.Subject != first.Reference || last.Steps != 1 {
		t.Errorf("the last report is %+v", last)
	}
	for i, report := range reports[1:] {
		if report.Permille < reports[i].Permille {
			t.Errorf("%+v after %+v", report, reports[i])
		}
	}
	if again, err := c.Pull(ctx, first.Reference, PullOptions{}); err != nil || again.Changed || again.Before.ID != again.After.ID {
		t.Errorf("%+v, %v", again, err)
	}
	second := publish(t, name, "latest", "--version", "2.0")
	result, err = c.Pull(ctx, first.Reference, PullOptions{Actor: "the test"})
	if err != nil || !result.Changed || *result.Digest != second.Digest || result.Before.ID == result.After.ID {
		t.Errorf("%+v, %v", result, err)
	}
	if status, err := c.ImageStatus(ctx, first.Reference); err != nil || !status.Ready {
		t.Errorf("%+v, %v", status, err)
	}
	if info, err := c.ImageInfo(ctx, first.Reference); err != nil || *info.Version != "2.0" || info.LastPulled == nil {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestAPullThatFailsIsAnErrorAndIsRemembered(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "failed")
	reference := publish(t, name, "1").Reference + "-not"
	result, err := c.Pull(ctx, reference, PullOptions{})
	var e *Error
	if result != nil || !errors.Is(err, ErrNotFound) || !errors.As(err, &e) || e.Op != "img_pull" || e.Image != reference {
		t.Fatalf("%+v, %+v", result, err)
	}
	status, err := c.ImageStatus(ctx, reference)
	if err != nil || status.Exists || status.Ready || status.LastError == nil || status.LastError.Code != CodeNotFound {
		t.Errorf("%+v, %v", status, err)
	}
}
