// Update checks an image, shows what an update would do, asks, and does it: go run . [-yes] IMAGE
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

func main() {
	yes := flag.Bool("yes", false, "update without asking")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: update [-yes] IMAGE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	// Ctrl-C ends the call; a container that is being replaced is finished or rolled back first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := update(ctx, flag.Arg(0), *yes); err != nil {
		fmt.Fprintln(os.Stderr, "update:", err)
		os.Exit(1)
	}
}

func update(ctx context.Context, image string, yes bool) error {
	client, err := refit.Open(ctx, refit.Options{})
	if err != nil {
		return err
	}
	defer client.Close()

	plan, err := client.PlanUpdate(ctx, image, refit.UpdateOptions{})
	if err != nil {
		return err
	}
	showPlan(plan)
	if !wanted(plan) {
		return nil
	}
	if !yes && !confirmed() {
		fmt.Println("Nothing was done.")
		return nil
	}

	options := refit.UpdateOptions{Actor: "examples/go/update"}
	if plan.ExpectDigest != nil {
		options.ExpectDigest = *plan.ExpectDigest
	}
	bar := newBar(os.Stdout)
	options.OnProgress = bar.show
	report, err := client.Update(ctx, image, options)
	bar.end()
	if report != nil {
		showReport(report)
	}
	return err
}

// wanted reports whether the plan has anything to do.
func wanted(plan *refit.Plan) bool {
	todo := plan.Pull
	for _, container := range plan.Containers {
		todo = todo || container.Action == "recreate" || container.Action == "recreate_and_start"
	}
	return todo
}

func confirmed() bool {
	fmt.Print("Update? [y/N] ")
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
