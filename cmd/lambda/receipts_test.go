package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"credential-relay/internal/datadogsim"
)

// These are the commands of scenarios about receipts, and about what may differ
// from a receipt: the bindings, the configs and the reads of AWS.

// receipt ID puts the receipt of a config into the file receipt, with names for
// its versions and dates. With ! it checks that there is none.
func showReceipt(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "receipt ID")
	w := worldOf(ts)
	receipt := w.receipt(args[0])
	if (receipt == "") != neg {
		ts.Fatalf("the receipt of config %s is %q", args[0], receipt)
	}
	if neg {
		return
	}
	var shown bytes.Buffer
	ts.Check(json.Indent(&shown, []byte(receipt), "", "  "))
	text := w.named(shown.String()) + "\n"
	ts.Check(os.WriteFile(ts.MkAbs("receipt"), []byte(text), 0o600))
	fmt.Fprint(ts.Stdout(), text)
}

// receipt returns the receipt of a config; "" if there is none.
func (w *world) receipt(configID string) string {
	receipt, _ := w.aws.Parameter(receiptName(configID))
	return receipt
}

func receiptName(configID string) string {
	return "/credential-relay/receipts/" + strings.ToLower(configID)
}

// unbind SOURCE CONFIG deletes a binding.
func deleteBinding(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "unbind SOURCE CONFIG")
	worldOf(ts).aws.DeleteParameter("/credential-relay/" + args[0] + "/" + args[1])
}

// edit ID SECRETS|enabled|disabled has a person change a config in Datadog.
func editConfig(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "edit ID SECRETS|enabled|disabled")
	w := worldOf(ts)
	config, ok := w.datadog.Config(args[0])
	if !ok {
		ts.Fatalf("there is no config %s", args[0])
	}
	switch args[1] {
	case "enabled", "disabled":
		config.Enabled = args[1] == "enabled"
	default:
		config.Secrets = nil
		ts.Check(json.Unmarshal([]byte(args[1]), &config.Secrets))
	}
	config.ModifiedAt = time.Now().UTC()
	w.datadog.PutConfig(config)
}

// state ID STATE gives a config another state, as a sync does. Its date stays.
func setState(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "state ID STATE")
	w := worldOf(ts)
	config, ok := w.datadog.Config(args[0])
	if !ok {
		ts.Fatalf("there is no config %s", args[0])
	}
	config.State = args[1]
	w.datadog.PutConfig(config)
}

// dates exact|seconds|none says how exactly Datadog tells when a config changed.
func showDates(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "dates exact|seconds|none")
	shown, ok := map[string]func(time.Time) time.Time{
		"exact":   nil,
		"seconds": datadogsim.WholeSeconds,
		"none":    func(time.Time) time.Time { return time.Time{} },
	}[args[0]]
	if !ok {
		ts.Fatalf("dates has no %s", args[0])
	}
	worldOf(ts).datadog.ShowModifiedAt(shown)
}

// stale OPERATION TIMES makes AWS answer so many reads with what was true before
// a label moved last.
func answerStale(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "stale OPERATION TIMES")
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	worldOf(ts).aws.Stale(args[0], times)
}
