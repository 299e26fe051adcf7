package house

// A room is a package outside of test/. A new package needs a row here, which is the moment to ask whether it has a place.
type room struct {
	// pure rooms take values and return values: no clock, client, network, file or process.
	pure bool
	// may lists the packages of ours that it may import.
	may []string
}

const (
	api      = "apis/rollouts/v1alpha1"
	rules    = "apis/rollouts/validation"
	gitopsv1 = "apis/gitops/v1alpha1"
	gitRules = "apis/gitops/validation"
)

// everything below the doors.
var below = []string{api, rules, gitopsv1, gitRules, "analysis", "analysis/prometheus", "analysis/web", "analysis/job",
	"analysis/cloudwatch", "analysis/datadog", "analysis/graphite", "analysis/influxdb", "analysis/kayenta", "analysis/newrelic", "analysis/skywalking",
	"analysis/wavefront", "analysis/credential", "analysis/sigv4", "console/view", "console/verb",
	"console/dashboard", "controllers/rollout", "controllers/notification", "notify/service", "controllers/analysisrun", "controllers/experiment", "controllers/application", "controllers/applicationset", "controllers/push",
	"gitsync", "gitsync/generate", "gitsync/health/action", "gitsync/settings", "gitsync/scm", "gitsync/source", "gitsync/render", "gitsync/cluster", "internal/build", "internal/kube", "strategy", "strategy/simulate", "trafficrouting", "trafficrouting/gatewayapi"}

var rooms = map[string]room{
	api:      {pure: true},
	rules:    {pure: true, may: []string{api}},
	gitopsv1: {pure: true},
	gitRules: {pure: true, may: []string{gitopsv1}},

	"trafficrouting":             {pure: true, may: []string{api}},
	"trafficrouting/gatewayapi":  {may: []string{api, "trafficrouting"}},
	"trafficrouting/routertest":  {may: []string{api, "trafficrouting"}},
	"analysis":                   {pure: true, may: []string{api, rules}},
	"analysis/outbound":          {may: []string{api, "analysis", "internal/dial"}},
	"analysis/sigv4":             {may: []string{"analysis", "analysis/outbound"}},
	"analysis/credential":        {},
	"analysis/prometheus":        {may: []string{api, "analysis", "analysis/outbound", "analysis/sigv4"}},
	"analysis/web":               {may: []string{api, "analysis", "analysis/outbound"}},
	"analysis/job":               {may: []string{api, "analysis"}},
	"analysis/cloudwatch":        {may: []string{api, "analysis", "analysis/outbound", "analysis/sigv4"}},
	"analysis/datadog":           {may: []string{api, "analysis", "analysis/outbound", "analysis/credential"}},
	"analysis/graphite":          {may: []string{api, "analysis", "analysis/outbound"}},
	"analysis/influxdb":          {may: []string{api, "analysis", "analysis/outbound", "analysis/credential"}},
	"analysis/kayenta":           {may: []string{api, "analysis", "analysis/outbound"}},
	"analysis/newrelic":          {may: []string{api, "analysis", "analysis/outbound", "analysis/credential"}},
	"analysis/skywalking":        {may: []string{api, "analysis", "analysis/outbound"}},
	"analysis/wavefront":         {may: []string{api, "analysis", "analysis/outbound", "analysis/credential"}},
	"analysis/providertest":      {may: []string{api, "analysis", "analysis/credential"}},
	"strategy":                   {pure: true, may: []string{api, rules, "trafficrouting", "analysis"}},
	"strategy/experiment":        {pure: true, may: []string{api, "analysis", "strategy"}},
	"strategy/simulate":          {pure: true, may: []string{api, rules, "analysis", "strategy", "trafficrouting"}},
	"strategy/invariant":         {pure: true, may: []string{api, "analysis", "strategy", "trafficrouting"}},
	"notify":                     {pure: true, may: []string{api, "analysis", "gitsync/generate/sandbox"}},
	"notify/service":             {may: []string{api, "analysis/outbound", "internal/dial", "notify"}},
	"gitsync":                    {pure: true, may: []string{gitopsv1, gitRules}},
	"gitsync/health":             {pure: true, may: []string{api, gitopsv1, "gitsync", "gitsync/health/script"}},
	"gitsync/health/action":      {pure: true, may: []string{"gitsync/health/script"}},
	"gitsync/health/script":      {pure: true},
	"gitsync/settings":           {pure: true, may: []string{gitopsv1, "gitsync", "gitsync/health", "gitsync/health/action"}},
	"gitsync/generate":           {pure: true, may: []string{gitopsv1, gitRules, "gitsync", "gitsync/generate/sandbox"}},
	"gitsync/generate/sandbox":   {pure: true},
	"gitsync/scm":                {may: []string{gitopsv1, "analysis/outbound", "gitsync/generate", "internal/dial", "internal/githubapp"}},
	"gitsync/webhook":            {pure: true, may: []string{gitopsv1}},
	"gitsync/source":             {may: []string{gitopsv1, "gitsync", "internal/child", "internal/dial", "internal/githubapp", "internal/kube"}},
	"gitsync/render":             {may: []string{gitopsv1, "gitsync", "gitsync/render/chart", "internal/child", "internal/kube"}},
	"gitsync/render/chart":       {},
	"gitsync/cluster":            {may: []string{gitopsv1, "gitsync", "internal/kube"}},
	"internal/kube":              {may: []string{api, gitopsv1, "analysis"}},
	"controllers/rollout":        {may: []string{api, rules, "analysis", "internal/kube", "strategy", "trafficrouting"}},
	"controllers/notification":   {may: []string{api, "analysis/outbound", "internal/kube", "notify"}},
	"controllers/analysisrun":    {may: []string{api, rules, "analysis", "internal/kube"}},
	"controllers/experiment":     {may: []string{api, rules, "analysis", "internal/kube", "strategy", "strategy/experiment"}},
	"controllers/application":    {may: []string{gitopsv1, "gitsync", "gitsync/source", "gitsync/render", "gitsync/cluster", "gitsync/health", "gitsync/settings", "internal/kube"}},
	"controllers/applicationset": {may: []string{gitopsv1, "gitsync", "gitsync/generate", "internal/kube"}},
	"controllers/push":           {may: []string{gitopsv1, "gitsync/webhook"}},
	"console/view":               {may: []string{api, gitopsv1, "strategy", "internal/kube"}},
	"console/verb":               {may: []string{api, gitopsv1, "internal/kube"}},
	"console/dashboard":          {may: []string{"console/view", "console/verb"}},
	"cmd/controller":             {may: below},
	"cmd/kubectl-sluice":         {may: below},

	"config":                 {},
	"internal/child":         {},
	"internal/dial":          {},
	"internal/githubapp":     {},
	"internal/conformance":   {},
	"internal/generate":      {},
	"internal/house":         {},
	"internal/image":         {},
	"internal/golden":        {},
	"internal/kube/kubetest": {},
	"internal/repeat":        {},
	"internal/build":         {pure: true},
}
