// What gitleaks' default rules find, and secrets that they would find.
//
//	gitleaks samples N   prints {rule: [N secrets, made from the rule's own pattern]}
//	gitleaks check       reads a list of texts and prints for each the list of its findings
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lucasjones/reggen"
	"github.com/zricethezav/gitleaks/v8/detect"
)

type finding struct {
	Rule  string `json:"rule"`
	Match string `json:"match"`
}

// Letters that only Unicode's case folding takes for s and k.
var plain = strings.NewReplacer("\u017f", "s", "\u212a", "k")

func sample(pattern string, seed int64) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	generator, err := reggen.NewGenerator(pattern)
	if err != nil {
		return ""
	}
	generator.SetSeed(seed)
	return plain.Replace(generator.Generate(1))
}

func samples(detector *detect.Detector, wanted int) map[string][]string {
	out := map[string][]string{}
	for id, rule := range detector.Config.Rules {
		if rule.Regex == nil {
			continue
		}
		for try := 0; try < 50 && len(out[id]) < wanted; try++ {
			text := sample(rule.Regex.String(), int64(try))
			for _, found := range detector.DetectString(text) {
				if found.RuleID == id {
					out[id] = append(out[id], text)
					break
				}
			}
		}
	}
	return out
}

func check(detector *detect.Detector, text string) []finding {
	detector.MaxDecodeDepth = 5
	out := []finding{}
	for _, found := range detector.DetectString(text) {
		out = append(out, finding{found.RuleID, found.Match})
	}
	return out
}

func main() {
	detector, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	encoder := json.NewEncoder(os.Stdout)
	if len(os.Args) == 3 && os.Args[1] == "samples" {
		wanted, _ := strconv.Atoi(os.Args[2])
		err = encoder.Encode(samples(detector, wanted))
	} else {
		var texts []string
		out := [][]finding{}
		if err = json.NewDecoder(os.Stdin).Decode(&texts); err == nil {
			for _, text := range texts {
				out = append(out, check(detector, text))
			}
			err = encoder.Encode(out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
