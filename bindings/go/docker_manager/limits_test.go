package docker_manager

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// ends waits for a call that has to end by itself, and gives its error.
func ends(t *testing.T, what string, call func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(90 * time.Second):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

func TestACallEndsAtItsLimitAndSaysSo(t *testing.T) {
	t.Parallel()
	engine := lab.NewSwitch(t, "")
	engine.Open()
	dm := managed(t, Profile{Options: refit.Options{Host: engine.Host, Timeout: time.Hour}})
	if err := dm.RemoveVolume(1); err != nil {
		t.Fatal(err)
	}
	engine.Block()
	err := ends(t, "a call", func() error {
		return dm.bounded(time.Second, func(ctx context.Context) error {
			_, err := dm.client.ContainerStatus(ctx, "nothing")
			return err
		})
	})
	if !errors.Is(err, refit.ErrTimeout) || !strings.Contains(err.Error(), "did not end within 1s") {
		t.Errorf("%v", err)
	}
}

// silent is a reader that gives what it has, and then neither more nor its end.
type silent struct {
	io.Reader
	never chan struct{}
}

func (s silent) Read(into []byte) (int, error) {
	if n, err := s.Reader.Read(into); err == nil {
		return n, nil
	}
	<-s.never
	return 0, io.EOF
}

// A client that uploads an archive may vanish without an end, and the engine may stop answering: neither holds the caller.
func TestAStreamThatFallsSilentEnds(t *testing.T) {
	t.Parallel()
	name, engine := lab.Scope(t, "silent"), lab.NewSwitch(t, "")
	engine.Open()
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	profile.Options = refit.Options{Host: engine.Host, Timeout: time.Hour}
	dm := managed(t, profile)
	volume, err := dm.CreateVolume(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := dm.WriteConfigFile(1, "Game.ini", strings.Repeat("a line\n", 100_000)); err != nil {
		t.Fatal(err)
	}
	var archive, packed bytes.Buffer
	if err := dm.BackupVolume(volume, "one.tar.gz", &packed); err != nil {
		t.Fatal(err)
	}
	file, err := dm.ReadFileFromVolume(volume, "/data", "/data/Config/WindowsServer/Game.ini")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&archive, file); err != nil {
		t.Fatal(err)
	}
	never := make(chan struct{})
	defer close(never)
	half := func(of *bytes.Buffer) io.Reader { return silent{bytes.NewReader(of.Bytes()[:of.Len()/2]), never} }

	dm.quiet = time.Second
	for what, call := range map[string]func() error{
		"a restore of nothing":       func() error { return dm.RestoreVolume(volume, "one.tar.gz", silent{strings.NewReader(""), never}) },
		"a restore of half":          func() error { return dm.RestoreVolume(volume, "one.tar.gz", half(&packed)) },
		"a file of which half comes": func() error { return dm.WriteFileToVolume(volume, "/data", "/data/a/Game.ini", half(&archive)) },
	} {
		if err := ends(t, what, call); !errors.Is(err, refit.ErrTimeout) || !strings.Contains(err.Error(), "nothing came for 1s") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Somebody who opens a file and does not read it. A busy engine may need more than a second for it.
	dm.quiet = 5 * time.Second
	unread, err := dm.ReadFileFromVolume(volume, "/data", "/data/Config/WindowsServer/Game.ini")
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	dm.quiet = time.Second
	engine.Block()
	for what, call := range map[string]func() error{
		"a backup without the engine": func() error { return dm.BackupVolume(volume, "one.tar.gz", io.Discard) },
		"a read without the engine": func() error {
			_, err := dm.ReadFileFromVolume(volume, "/data", "/data/Config/WindowsServer/Game.ini")
			return err
		},
		"a file that is not read": func() error {
			time.Sleep(6 * time.Second)
			_, err := io.ReadAll(unread)
			return err
		},
	} {
		if err := ends(t, what, call); !errors.Is(err, refit.ErrTimeout) || !strings.Contains(err.Error(), "nothing came for") {
			t.Errorf("%s: %v", what, err)
		}
	}
	engine.Open()
	dm.quiet = silence
	if err := dm.RestoreVolume(volume, "one.tar.gz", &packed); err != nil {
		t.Errorf("once the engine answers again: %v", err)
	}
}
