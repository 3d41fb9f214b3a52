package refit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// other is for the archives of other platforms, which `make test-go-cross` builds: that takes minutes.
func other(t *testing.T, platform string) consumer {
	t.Helper()
	if os.Getenv("REFIT_GO_CROSS") == "" {
		t.Skip("make test-go-cross runs it")
	}
	module := filepath.Join(lab.Root(), "bindings/go")
	if _, err := os.Stat(filepath.Join(module, "lib", platform, "librefit.a")); err != nil {
		t.Fatal(err)
	}
	return newConsumer(t, module)
}

// The program runs in a folder that holds nothing else.
func TestAStaticProgramForMuslRunsInAnEmptyRoot(t *testing.T) {
	c := other(t, "linux_amd64_musl")
	program := c.builds([]string{"CC=musl-gcc"}, "-tags", "musl", "-ldflags", "-linkmode external -extldflags -static", ".")
	if needed := libraries(t, program); len(needed) != 0 {
		t.Errorf("it needs %v", needed)
	}
	root, err := os.MkdirTemp("", "refit")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.Rename(program, filepath.Join(root, "program")); err != nil {
		t.Fatal(err)
	}
	runs(t, "chroot", root, "/program")

	name := lab.Scope(t, "musl")
	image := lab.Pull(t, name, "1", "--version", "1.0").Reference
	lab.Run(t, name+"-web", map[string]any{"Image": image})
	lab.Publish(t, name, "1", "--version", "2.0")
	lab.NewSwitch(t, root).Open()
	said, err := exec.Command("chroot", root, "/program", "unix:///engine.sock", image).CombinedOutput()
	if err != nil || string(said) != "update_available recreated\n" {
		t.Errorf("%s, %v", said, err)
	}
}

func TestAProgramForArm64Runs(t *testing.T) {
	c := other(t, "linux_arm64")
	program := c.builds([]string{"CC=aarch64-linux-gnu-gcc", "GOARCH=arm64"}, ".")
	needsOnlyLibc(t, program)
	runs(t, "qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", program)
}
