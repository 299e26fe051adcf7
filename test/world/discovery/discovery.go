package discovery

import (
	"encoding/json"
	"net/http"
	"regexp"
)

// Target is one address to scrape. Labels are those of the pod as it carries them.
type Target struct {
	Address   string
	Namespace string
	Pod       string
	Labels    map[string]string
}

type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Handler answers each request with what list says at that moment.
func Handler(list func() []Target) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		groups := []group{}
		for _, t := range list() {
			groups = append(groups, group{Targets: []string{t.Address}, Labels: t.labels()})
		}
		body, err := json.Marshal(groups)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A reader that went away asks again; there is nobody to tell.
		_, _ = w.Write(body)
	})
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_]|^[0-9]`)

func (t Target) labels() map[string]string {
	out := map[string]string{}
	if app, ok := t.Labels["app"]; ok {
		out["service"] = app
	}
	for name, value := range t.Labels {
		out[unfit.ReplaceAllString(name, "_")] = value
	}
	out["namespace"], out["pod"] = t.Namespace, t.Pod
	return out
}
