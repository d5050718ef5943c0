// Command govcr is the oracle of mitmvcr's tests: what go-vcr itself makes of a cassette.
//
//	govcr dump FILE...       load each file, print what is in it as JSON
//	govcr save FILE OUT      load a file, save it with go-vcr's own writer
//	govcr write              read [{"out": …, "interactions": […]}] from stdin, save each with go-vcr's writer
//	govcr replay FILE        ask for each recorded request through go-vcr's replay mode, print the answers
//	govcr durations          read JSON strings or integers line by line: ParseDuration or String of each
//
// An interaction in JSON has the cassette's keys, but body_b64 for body and duration_ns for duration.
// A string that isn't UTF-8 is {"b64": …}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/recorder"
)

// text is a string that survives JSON even when it isn't UTF-8.
type text string

type encoded struct {
	B64 []byte `json:"b64"`
}

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(encoded{[]byte(t)})
}

func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, (*string)(t))
	}
	var e encoded
	err := json.Unmarshal(data, &e)
	*t = text(e.B64)
	return err
}

// pair stands for an entry of a map: a JSON object's key can't be a text.
type pair struct {
	Name   text   `json:"name"`
	Values []text `json:"values"`
}

type request struct {
	Proto            text   `json:"proto"`
	ProtoMajor       int    `json:"proto_major"`
	ProtoMinor       int    `json:"proto_minor"`
	ContentLength    int64  `json:"content_length"`
	TransferEncoding []text `json:"transfer_encoding"`
	Trailer          []pair `json:"trailer"`
	Host             text   `json:"host"`
	RemoteAddr       text   `json:"remote_addr"`
	RequestURI       text   `json:"request_uri"`
	Body             []byte `json:"body_b64"`
	Form             []pair `json:"form"`
	Headers          []pair `json:"headers"`
	URL              text   `json:"url"`
	Method           text   `json:"method"`
}

type response struct {
	Proto            text   `json:"proto"`
	ProtoMajor       int    `json:"proto_major"`
	ProtoMinor       int    `json:"proto_minor"`
	TransferEncoding []text `json:"transfer_encoding"`
	Trailer          []pair `json:"trailer"`
	ContentLength    int64  `json:"content_length"`
	Uncompressed     bool   `json:"uncompressed"`
	Body             []byte `json:"body_b64"`
	Headers          []pair `json:"headers"`
	Status           text   `json:"status"`
	Code             int    `json:"code"`
	Duration         int64  `json:"duration_ns"`
}

type interaction struct {
	Request  request  `json:"request"`
	Response response `json:"response"`
}

func toTexts(values []string) []text {
	out := make([]text, len(values))
	for i, value := range values {
		out[i] = text(value)
	}
	return out
}

func toStrings(values []text) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = string(value)
	}
	return out
}

func toPairs(values map[string][]string) []pair {
	out := make([]pair, 0, len(values))
	for name, list := range values {
		out = append(out, pair{text(name), toTexts(list)})
	}
	return out
}

func toMap(pairs []pair) map[string][]string {
	out := make(map[string][]string, len(pairs))
	for _, p := range pairs {
		out[string(p.Name)] = toStrings(p.Values)
	}
	return out
}

func toJSON(i *cassette.Interaction) interaction {
	q, r := i.Request, i.Response
	return interaction{
		request{
			text(q.Proto), q.ProtoMajor, q.ProtoMinor, q.ContentLength, toTexts(q.TransferEncoding),
			toPairs(q.Trailer), text(q.Host), text(q.RemoteAddr), text(q.RequestURI), []byte(q.Body),
			toPairs(q.Form), toPairs(q.Headers), text(q.URL), text(q.Method),
		},
		response{
			text(r.Proto), r.ProtoMajor, r.ProtoMinor, toTexts(r.TransferEncoding), toPairs(r.Trailer),
			r.ContentLength, r.Uncompressed, []byte(r.Body), toPairs(r.Headers), text(r.Status), r.Code,
			r.Duration.Nanoseconds(),
		},
	}
}

func fromJSON(i interaction) *cassette.Interaction {
	q, r := i.Request, i.Response
	return &cassette.Interaction{
		Request: cassette.Request{
			Proto: string(q.Proto), ProtoMajor: q.ProtoMajor, ProtoMinor: q.ProtoMinor,
			ContentLength: q.ContentLength, TransferEncoding: toStrings(q.TransferEncoding),
			Trailer: toMap(q.Trailer), Host: string(q.Host), RemoteAddr: string(q.RemoteAddr),
			RequestURI: string(q.RequestURI), Body: string(q.Body), Form: toMap(q.Form),
			Headers: toMap(q.Headers), URL: string(q.URL), Method: string(q.Method),
		},
		Response: cassette.Response{
			Proto: string(r.Proto), ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
			TransferEncoding: toStrings(r.TransferEncoding), Trailer: toMap(r.Trailer),
			ContentLength: r.ContentLength, Uncompressed: r.Uncompressed, Body: string(r.Body),
			Headers: toMap(r.Headers), Status: string(r.Status), Code: r.Code,
			Duration: time.Duration(r.Duration),
		},
	}
}

func load(file string) (*cassette.Cassette, error) {
	return cassette.Load(strings.TrimSuffix(file, ".yaml"))
}

// save writes with the function that a recorder uses when none is given.
func save(c *cassette.Cassette, out string) error {
	c.File = out
	c.MarshalFunc = yaml.Marshal
	return c.Save()
}

type loaded struct {
	File         string        `json:"file"`
	Error        string        `json:"error,omitempty"`
	Interactions []interaction `json:"interactions"`
}

func dump(files []string) error {
	results := make([]loaded, 0, len(files))
	for _, file := range files {
		result := loaded{File: file, Interactions: []interaction{}}
		c, err := load(file)
		if err != nil {
			result.Error = err.Error()
		} else {
			for _, i := range c.Interactions {
				result.Interactions = append(result.Interactions, toJSON(i))
			}
		}
		results = append(results, result)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

func write(in io.Reader) error {
	var jobs []struct {
		Out          string        `json:"out"`
		Interactions []interaction `json:"interactions"`
	}
	if err := json.NewDecoder(in).Decode(&jobs); err != nil {
		return err
	}
	for _, job := range jobs {
		c := cassette.New(job.Out)
		for _, i := range job.Interactions {
			c.AddInteraction(fromJSON(i))
		}
		if err := save(c, job.Out); err != nil {
			return err
		}
	}
	return nil
}

// matches compares method, URL and body.
func matches(r *http.Request, i cassette.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r.Method == i.Method && r.URL.String() == i.URL && string(body) == i.Body
}

type answer struct {
	Error   string `json:"error,omitempty"`
	Status  string `json:"status"`
	Code    int    `json:"code"`
	Headers []pair `json:"headers"`
	Body    []byte `json:"body_b64"`
}

func ask(client *http.Client, i *cassette.Interaction) answer {
	q, err := http.NewRequest(i.Request.Method, i.Request.URL, strings.NewReader(i.Request.Body))
	if err != nil {
		return answer{Error: err.Error()}
	}
	r, err := client.Do(q)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Status: r.Status, Code: r.StatusCode, Headers: toPairs(r.Header), Body: body}
}

func replay(file string) error {
	rec, err := recorder.New(
		strings.TrimSuffix(file, ".yaml"),
		recorder.WithMode(recorder.ModeReplayOnly),
		recorder.WithSkipRequestLatency(true),
		recorder.WithMatcher(matches),
	)
	if err != nil {
		return err
	}
	defer rec.Stop()
	c, err := load(file)
	if err != nil {
		return err
	}
	client := rec.GetDefaultClient()
	// A redirect is an answer like any other.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answers := make([]answer, 0, len(c.Interactions))
	for _, i := range c.Interactions {
		answers = append(answers, ask(client, i))
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// duration answers one line: a number of nanoseconds with String, a string with ParseDuration.
func duration(line []byte) any {
	var ns int64
	if json.Unmarshal(line, &ns) == nil {
		return time.Duration(ns).String()
	}
	var s string
	if err := json.Unmarshal(line, &s); err != nil {
		return err.Error()
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil
	}
	return d.Nanoseconds()
}

func durations(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(duration(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "dump":
		return dump(args[1:])
	case len(args) == 3 && args[0] == "save":
		c, err := load(args[1])
		if err != nil {
			return err
		}
		return save(c, args[2])
	case len(args) == 1 && args[0] == "write":
		return write(os.Stdin)
	case len(args) == 2 && args[0] == "replay":
		return replay(args[1])
	case len(args) == 1 && args[0] == "durations":
		return durations(os.Stdin)
	}
	return fmt.Errorf("usage: govcr dump FILE... | save FILE OUT | write | replay FILE | durations")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "govcr:", err)
		os.Exit(1)
	}
}
