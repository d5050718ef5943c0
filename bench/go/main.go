// Command govcr is go-vcr's side of `python -m bench inprocess`, as bench/contender.py is the others'.
//
//	govcr ASKED FILE [OUT]
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"
)

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

// resident is the memory in use, after what is garbage has gone back to the system.
func resident() int {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

func timed(figures map[string]float64, name string, call func() error) error {
	used, began := cpu(), time.Now()
	err := call()
	figures[name+" CPU"] = cpu() - used
	figures[name+" wall"] = time.Since(began).Seconds()
	return err
}

func request(i *cassette.Interaction) (*http.Request, error) {
	r, err := http.NewRequest(i.Request.Method, i.Request.URL, bytes.NewReader([]byte(i.Request.Body)))
	if err != nil {
		return nil, err
	}
	for name, values := range i.Request.Headers {
		r.Header[name] = values
	}
	return r, nil
}

func run(asked, file, out string) error {
	a, err := cassette.Load(asked)
	if err != nil {
		return err
	}
	var requests []*http.Request
	for _, i := range a.Interactions {
		r, err := request(i)
		if err != nil {
			return err
		}
		requests = append(requests, r)
	}
	figures := map[string]float64{}
	before := resident()
	var c *cassette.Cassette
	if err := timed(figures, "load", func() (err error) { c, err = cassette.Load(file); return }); err != nil {
		return err
	}
	figures["memory"] = float64(resident() - before)
	ask := func(requests []*http.Request) func() error {
		return func() error {
			for _, r := range requests {
				if _, err := c.GetInteraction(r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := timed(figures, "load and first answer", ask(requests[:1])); err != nil {
		return err
	}
	if err := timed(figures, "match", ask(requests[1:])); err != nil {
		return err
	}
	if out != "" {
		c.File = out
		c.MarshalFunc = yaml.Marshal
		if err := timed(figures, "save", c.Save); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

func main() {
	args := append(os.Args[1:], "")
	if len(args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: govcr ASKED FILE [OUT]")
		os.Exit(2)
	}
	name := func(file string) string { return strings.TrimSuffix(file, ".yaml") }
	if err := run(name(args[0]), name(args[1]), args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "govcr:", err)
		os.Exit(1)
	}
}
