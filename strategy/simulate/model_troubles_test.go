package simulate_test

import (
	"pgregory.net/rapid"

	"github.com/sluice-delivery/sluice/strategy"
)

// breakRoute lets one of several routes, or all that there are, be unusable until somebody mends them.
func (m *model) breakRoute(t *rapid.T) {
	if !m.w.Routed() {
		t.Skip()
	}
	m.w.Trouble, m.w.Unreadable = "HTTPRoute other: it does not exist", rapid.IntRange(0, 2).Draw(t, "every route") == 0
	m.meddle("a route is broken", "route")
}

func (m *model) mendRoutes() {
	if m.w.Trouble == "" {
		return
	}
	m.w.Trouble, m.w.Unreadable = "", false
	m.meddle("the routes are mended", "route")
}

func (m *model) deleteService(t *rapid.T) {
	name := rapid.SampledFrom(services).Draw(t, "service")
	if m.w.Services[name] == nil {
		t.Skip()
	}
	delete(m.w.Services, name)
	m.forgetGone()
	m.meddle("somebody deletes Service " + name)
}

// makeServices makes the Services again that somebody has deleted; at first they select pods of every revision.
func (m *model) makeServices() {
	for _, name := range services {
		if m.w.Services[name] == nil {
			m.w.Services[name] = &strategy.Service{Name: name, Exists: true}
			m.meddle("Service "+name+" is made again", "service/"+name)
		}
	}
}

// missing is what the validation says of a Service that the strategy names and that does not exist.
const missing = "spec.strategy: there is no such Service"

// missServices lets the validation notice that a Service is missing, or is there again.
func (m *model) missServices() {
	o := m.w.Observe()
	gone := o.Stable.Name != "" && !o.Stable.Exists || o.Canary.Name != "" && !o.Canary.Exists
	switch {
	case gone && m.w.Invalid == "":
		m.w.Invalid = missing
	case !gone && m.w.Invalid == missing:
		m.w.Invalid = ""
	}
}
