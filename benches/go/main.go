// The Go binding beside Docker's own Go client: `make bench-go`. Each side is a process of its own; who goes first changes. Words
// choose the calls: inspect, image, stats, checks, pull, raw, lines, list.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"github.com/refit-rs/refit/benches/go/side"
)

// row is one kind of call: Warm calls that do not count, then Times that do, in each process.
type row struct {
	what, call  string
	rounds      int
	warm, times int
	names       []string
	before      func(context.Context) error // before each process
}

var sides = []string{"docker", "refit"}

func main() {
	if err := compared(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compared(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "refit-bench-go")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := build(folder); err != nil {
		return err
	}
	engine, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	l := &setting{engine: engine, name: fmt.Sprintf("refit-lab-bench-go-%d", time.Now().UnixNano())}
	defer l.clean()
	rows, err := l.rows(ctx)
	if err != nil {
		return err
	}
	fmt.Println("| median of the rounds | wall ms | CPU ms | allocations | KiB allocated | peak MiB |\n|---|---|---|---|---|---|")
	for _, row := range rows {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], row.call) {
			continue
		}
		if err := row.measure(ctx, folder); err != nil {
			return fmt.Errorf("%s: %w", row.what, err)
		}
	}
	return nil
}

// build makes both programs, and again without symbols, whose sizes are printed. Docker's needs no cgo, so that it has none.
func build(folder string) error {
	fmt.Println("| program | MiB | without symbols |\n|---|---|---|")
	for _, name := range sides {
		var sizes []string
		for _, flags := range []string{"", "-s -w"} {
			program := filepath.Join(folder, name+flags)
			build := exec.Command("go", "build", "-ldflags", flags, "-o", program, "./"+name)
			build.Env = append(os.Environ(), "CGO_ENABLED=1")
			if name == "docker" {
				build.Env = append(build.Env, "CGO_ENABLED=0")
			}
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				return err
			}
			built, err := os.Stat(program)
			if err != nil {
				return err
			}
			sizes = append(sizes, fmt.Sprintf("%.1f", float64(built.Size())/(1<<20)))
		}
		fmt.Printf("| %s | %s | %s |\n", name, sizes[0], sizes[1])
	}
	fmt.Println()
	return nil
}

func (r row) measure(ctx context.Context, folder string) error {
	reports := map[string][]side.Report{}
	for round := range r.rounds {
		order := slices.Clone(sides)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range order {
			if r.before != nil {
				if err := r.before(ctx); err != nil {
					return err
				}
			}
			report, err := r.ask(filepath.Join(folder, name))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			reports[name] = append(reports[name], report)
		}
	}
	for _, name := range sides {
		show(r, name, reports[name])
	}
	return nil
}

func (r row) ask(program string) (report side.Report, err error) {
	words := append([]string{r.call, strconv.Itoa(r.warm), strconv.Itoa(r.times)}, r.names...)
	command := exec.Command(program, words...)
	command.Stderr = os.Stderr
	said, err := command.Output()
	if err != nil {
		return report, err
	}
	return report, json.Unmarshal(said, &report)
}

func show(r row, name string, reports []side.Report) {
	sorted := func(of func(side.Report) float64) []float64 {
		values := make([]float64, len(reports))
		for i, report := range reports {
			values[i] = of(report)
		}
		slices.Sort(values)
		return values
	}
	median := func(of func(side.Report) float64) float64 { return sorted(of)[len(reports)/2] }
	wall := sorted(func(r side.Report) float64 { return float64(r.Wall.Microseconds()) / 1000 })
	fmt.Printf("| %s, %s | %.2f (%.2f to %.2f) | %.2f | %.0f | %.0f | %.1f |\n", r.what, name, wall[len(wall)/2], wall[0], wall[len(wall)-1],
		median(func(r side.Report) float64 { return float64(r.CPU.Microseconds()) / 1000 }),
		median(func(r side.Report) float64 { return float64(r.Allocations) }),
		median(func(r side.Report) float64 { return float64(r.Bytes) / 1024 }),
		median(func(r side.Report) float64 { return float64(r.Peak) / (1 << 20) }))
}
