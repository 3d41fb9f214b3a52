package refit_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// consumerProgram is what a module outside of refit's tree builds. It makes calls that need no engine; with HOST and IMAGE it checks and updates.
const consumerProgram = `package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
)

func main() {
	if len(os.Args) == 3 {
		update(os.Args[1], os.Args[2])
		return
	}
	client, err := refit.Open(context.Background(), refit.Options{Host: "unix:///nowhere.sock", Connect: "lazy"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer client.Close()
	if _, err := client.EngineInfo(context.Background()); !errors.Is(err, refit.ErrUnreachable) {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(refit.Version(), docker_manager.ShellQuote("a b"))
}

func update(host, image string) {
	client, err := refit.Open(context.Background(), refit.Options{Host: host})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer client.Close()
	check, err := client.CheckUpdate(context.Background(), image, refit.CheckOptions{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	report, err := client.Update(context.Background(), image, refit.UpdateOptions{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, container := range report.Containers {
		fmt.Println(check.State, container.Result)
	}
}
`

// consumer is a module outside of the tree that takes refit's from a folder.
type consumer struct {
	t      *testing.T
	folder string
}

func newConsumer(t *testing.T, refitsModule string) consumer {
	t.Helper()
	c := consumer{t, t.TempDir()}
	module := "module example.org/consumer\n\ngo 1.23\n\nrequire github.com/refit-rs/refit/bindings/go v0.0.0\n\n" +
		"replace github.com/refit-rs/refit/bindings/go => " + refitsModule + "\n"
	for name, text := range map[string]string{"go.mod": module, "main.go": consumerProgram} {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// goCommand gives what the go command has said, and whether it succeeded.
func (c consumer) goCommand(environment []string, words ...string) (string, bool) {
	c.t.Helper()
	command := exec.Command("go", words...)
	command.Dir = c.folder
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off", "CGO_ENABLED=1")
	command.Env = append(command.Env, environment...)
	said, err := command.CombinedOutput()
	return string(said), err == nil
}

// builds the program and gives its file.
func (c consumer) builds(environment []string, words ...string) string {
	c.t.Helper()
	program := filepath.Join(c.folder, "program")
	if said, ok := c.goCommand(environment, append([]string{"build", "-o", program}, words...)...); !ok {
		c.t.Fatalf("%v: %s", words, said)
	}
	return program
}

func runs(t *testing.T, words ...string) {
	t.Helper()
	said, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(said)), "'a b'") {
		t.Errorf("%v: %s, %v", words, said, err)
	}
}

// libraries are what the program needs at run time.
func libraries(t *testing.T, program string) []string {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	return needed
}

func needsOnlyLibc(t *testing.T, program string) {
	t.Helper()
	for _, library := range libraries(t, program) {
		if !slices.ContainsFunc([]string{"libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libutil.so", "libresolv.so", "ld-linux"}, func(own string) bool {
			return strings.HasPrefix(library, own)
		}) {
			t.Errorf("it needs %s at run time", library)
		}
	}
}

func TestAModuleOutsideOfTheTreeBuildsByReplace(t *testing.T) {
	program := newConsumer(t, filepath.Join(lab.Root(), "bindings/go")).builds(nil, ".")
	runs(t, program)
	needsOnlyLibc(t, program)
}

func TestAModuleIsVendoredAndSaysWhatIsMissing(t *testing.T) {
	module := filepath.Join(t.TempDir(), "module")
	makes(t, "go-module", "OUT="+module)
	c := newConsumer(t, module)
	if said, ok := c.goCommand(nil, "mod", "vendor"); !ok {
		t.Fatal(said)
	}
	for _, file := range []string{"include/refit.h", "lib/linux_arm64/lib.go", "call.h", "built.h", "docker_manager/manager.go"} {
		if _, err := os.Stat(filepath.Join(c.folder, "vendor/github.com/refit-rs/refit/bindings/go", file)); err != nil {
			t.Error(err)
		}
	}
	away := module + "-away"
	if err := os.Rename(module, away); err != nil {
		t.Fatal(err)
	}
	runs(t, c.builds(nil, "-mod=vendor", "."))

	// What cannot be built says what to do.
	archives, err := filepath.Glob(filepath.Join(away, "lib/*/built.h"))
	if err != nil || len(archives) == 0 {
		t.Fatal(archives, err)
	}
	for _, archive := range archives {
		os.Remove(archive)
	}
	missing := newConsumer(t, away)
	for what, test := range map[string]struct {
		environment []string
		words       []string
		want        string
	}{
		"archive":      {nil, []string{"build", "."}, "in refit's checkout"},
		"musl archive": {nil, []string{"build", "-tags", "musl", "."}, "make go MUSL=1"},
		"cgo":          {[]string{"CGO_ENABLED=0"}, []string{"build", "."}, "refit_is_a_C_library__build_with_CGO_ENABLED_1"},
	} {
		if said, ok := missing.goCommand(test.environment, test.words...); ok || !strings.Contains(said, test.want) {
			t.Errorf("%s: %s", what, said)
		}
	}
	// A compiler for such a platform is not here; the file with the message is what would be compiled.
	for platform, unsupported := range map[string]bool{"amd64": false, "arm64": false, "riscv64": true} {
		said, ok := missing.goCommand([]string{"GOARCH=" + platform}, "list", "-f", "{{.GoFiles}}", "github.com/refit-rs/refit/bindings/go")
		if !ok || strings.Contains(said, "link_unsupported.go") != unsupported {
			t.Errorf("%s: %s", platform, said)
		}
	}
}
