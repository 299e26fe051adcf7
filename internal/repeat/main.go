package repeat

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// Main runs the tests of a package with so many checks of so many steps from a seed, and leaves no files behind where one fails. Flags and
// variables of rapid win.
func Main(m *testing.M, checks, steps, seed string) int {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"checks": checks, "steps": steps, "seed": seed, "nofailfile": "true"} {
		if _, set := os.LookupEnv("RAPID_" + strings.ToUpper(name)); !set && !given["rapid."+name] {
			if err := flag.Set("rapid."+name, value); err != nil {
				panic(err)
			}
		}
	}
	return m.Run()
}
