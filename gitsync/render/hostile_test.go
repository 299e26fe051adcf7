package render

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// canary stands for a secret: in a Secret among the manifests, in a file outside of the repository, and in the environment of this process.
const canary = "canary-1f6c9e"

const chartYAML = "name: x\nversion: 1.0.0\napiVersion: v2\n"

type hostile struct {
	files  map[string]string
	source gitopsv1.Source
	reason string
}

// refuse checks that each case is refused for its reason, in bounded time and memory, and without the canary.
func refuse(t *testing.T, cases map[string]hostile) {
	t.Helper()
	t.Setenv("PASSWORD", canary)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			dir := t.TempDir()
			write(t, dir, c.files)
			r := newRenderer()
			if strings.HasPrefix(c.reason, "the rendering") || strings.HasPrefix(c.reason, "did not finish") {
				r.Timeout = 3 * time.Second // which what ends by itself is not held to, because a machine may be busy
			}
			app := &gitopsv1.Application{}
			app.Name = "shop"
			got, err := r.Render(t.Context(), gitsync.RenderRequest{App: app, Name: "shop", Parts: []gitsync.RenderPart{{
				Source: c.source, Fetch: func(context.Context) (gitsync.Checkout, error) { return checkout(dir), nil },
			}}})
			if err == nil || len(got.Objects) != 0 {
				t.Fatalf("%d objects, error %v", len(got.Objects), err)
			}
			if text := err.Error(); !strings.Contains(text, c.reason) || strings.Contains(text, canary) || strings.Contains(text, "root:") || strings.Contains(text, dir) || len(text) > 3000 {
				t.Errorf("error %.3500s, want %q", text, c.reason)
			}
			if took := time.Since(begun); took > 2*time.Minute {
				t.Errorf("it took %s", took)
			}
			if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 256<<20 {
				t.Errorf("it took %d MiB in this process", (after.TotalAlloc-before.TotalAlloc)>>20)
			}
		})
	}
}

func outside(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(path, []byte(configMap+"x\ndata: {a: "+canary+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHostilePathsAndLinksAreRefused(t *testing.T) {
	secret := outside(t)
	refuse(t, map[string]hostile{
		"a link to a file outside":                {files: map[string]string{"x.yaml": "->" + secret}, reason: "leads out of the repository"},
		"a relative link to a file outside":       {files: map[string]string{"x.yaml": "->../../../../../../../../../../" + secret}, reason: "leads out of the repository"},
		"a folder that is a link to outside":      {files: map[string]string{"x": "->" + filepath.Dir(secret)}, source: gitopsv1.Source{Path: "x"}, reason: "leads out of the repository"},
		"a link out and in again":                 {files: map[string]string{"x.yaml": "->a/../../../" + filepath.Base(secret), "a/b": ""}, reason: "leads out of the repository"},
		"a loop of links":                         {files: map[string]string{"x.yaml": "->x.yaml"}, reason: "lead in a circle"},
		"a folder that links to itself":           {files: map[string]string{"a/b": "->."}, source: gitopsv1.Source{Directory: &gitopsv1.DirectorySource{Recurse: true}}, reason: "lead in a circle"},
		"a path upwards":                          {source: gitopsv1.Source{Path: "../.."}, reason: "does not lie in the repository"},
		"an absolute path":                        {source: gitopsv1.Source{Path: "/etc"}, reason: "does not lie in the repository"},
		"a path with a NUL":                       {source: gitopsv1.Source{Path: "a\x00b"}, reason: "does not lie in the repository"},
		"a path of 4 KiB":                         {source: gitopsv1.Source{Path: strings.Repeat("a/", 2048)}, reason: "cannot be used"},
		"a home folder":                           {source: gitopsv1.Source{Path: "~"}, reason: "cannot be used"},
		"a file where a folder should be":         {files: map[string]string{"x": ""}, source: gitopsv1.Source{Path: "x"}, reason: "is no folder"},
		"settings beside that are a link":         {files: map[string]string{".argocd-source.yaml": "->" + secret}, reason: ""},
		"settings beside that set the path":       {files: map[string]string{".argocd-source.yaml": "path: /etc\n"}, reason: "only the Application may do"},
		"settings beside that set the repoURL":    {files: map[string]string{".argocd-source-shop.yaml": "repoURL: https://elsewhere\n"}, reason: "only the Application may do"},
		"settings beside with unknown fields":     {files: map[string]string{".argocd-source.yaml": "kustomize: {imagez: []}\n"}, reason: "does not fit into a source"},
		"settings beside that are something else": {files: map[string]string{".argocd-source.yaml": "- a\n"}, reason: "no object"},
		"two tools at once": {source: gitopsv1.Source{Helm: &gitopsv1.HelmSource{ReleaseName: "x"}, Directory: &gitopsv1.DirectorySource{Recurse: true}},
			reason: "multiple application sources defined: Helm,Directory"},
		"a plugin": {source: gitopsv1.Source{Plugin: &gitopsv1.PluginSource{Name: "mine"}}, reason: `"mine"`},
	})
}

func TestHostileYAMLIsRefused(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := '1'; i <= '9'; i++ {
		bomb += "a" + string(i) + ": &a" + string(i) + " [" + strings.Repeat("*a"+string(i-1)+",", 9) + "]\n"
	}
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: " + canary + "\n"
	refuse(t, map[string]hostile{
		"a bomb of aliases":           {files: map[string]string{"x.yaml": configMap + "x\n" + bomb}, reason: "excessive aliasing"},
		"nesting without end":         {files: map[string]string{"x.yaml": configMap + "x\ndata: " + strings.Repeat("[", 100_000)}, reason: "depth"},
		"nested JSON without end":     {files: map[string]string{"x.json": strings.Repeat(`{"a":`, 100_000)}, reason: "exactly one JSON object"},
		"an item that is null":        {files: map[string]string{"x.yaml": "kind: List\napiVersion: v1\nmetadata: {}\nitems: [null]\n"}, reason: "is no object"},
		"items that are no list":      {files: map[string]string{"x.yaml": "kind: List\napiVersion: v1\nmetadata: {}\nitems: {a: b}\n"}, reason: "are no list"},
		"more objects than anybody":   {files: map[string]string{"x.yaml": strings.Repeat("apiVersion: v1\nkind: A\nmetadata: {}\n---\n", maxObjects+1)}, reason: "more than 20000 objects"},
		"a text of 11 MiB":            {files: map[string]string{"x.yaml": configMap + "x\ndata: {a: " + strings.Repeat("a", 11<<20) + "}\n"}, reason: "larger than 10 MiB"},
		"files of 12 MiB together":    {files: map[string]string{"x.yaml": configMap + strings.Repeat("a", 6<<20), "y.yaml": configMap + strings.Repeat("b", 6<<20)}, reason: "10 MiB together"},
		"invalid UTF-8":               {files: map[string]string{"x.yaml": configMap + "x\ndata: {a: \"\xff\xfe\x00\"}\n"}, reason: "UTF-8"},
		"a NUL":                       {files: map[string]string{"x.yaml": configMap + "x\ndata: {a: \"\x00\"}\n"}, reason: "control characters"},
		"a broken Secret":             {files: map[string]string{"x.yaml": secret + "  broken: [" + canary + "\n"}, reason: "x.yaml"},
		"a Secret with an odd key":    {files: map[string]string{"x.yaml": secret + "  ? [a]\n  : " + canary + "\n"}, reason: "x.yaml"},
		"a Secret that is a list":     {files: map[string]string{"x.yaml": "# apiVersion: kind: metadata:\n- " + canary + "\n"}, reason: "it is no object"},
		"a JSON list":                 {files: map[string]string{"x.json": `[{"kind":"Secret"}]`}, reason: "exactly one JSON object"},
		"two JSON objects":            {files: map[string]string{"x.json": `{"kind":"A"}{"kind":"B"}`}, reason: "exactly one JSON object"},
		"a glob that is none":         {source: gitopsv1.Source{Directory: &gitopsv1.DirectorySource{Include: "["}}, reason: "directory.include is no glob"},
		"Jsonnet that never ends":     {files: map[string]string{"x.jsonnet": "local f(x) = f(x + 1) tailstrict; f(1)"}, reason: "the rendering"},
		"Jsonnet that recurses":       {files: map[string]string{"x.jsonnet": "local f(x) = 1 + f(x); f(1)"}, reason: "max stack frames exceeded"},
		"Jsonnet that grows":          {files: map[string]string{"x.jsonnet": "{kind: 'A', a: std.foldl(function(a, b) a + a, std.range(1, 40), 'aaaaaaaa')}"}, reason: "needed more than 256 MiB"},
		"Jsonnet that reads outside":  {files: map[string]string{"x.jsonnet": "importstr '/etc/passwd'"}, reason: "leads out of the repository"},
		"Jsonnet that climbs":         {files: map[string]string{"x.jsonnet": "importstr '../../../../../../../etc/passwd'"}, reason: "leads out of the repository"},
		"Jsonnet that follows a link": {files: map[string]string{"x.jsonnet": "importstr 'p'", "p": "->/etc/passwd"}, reason: "leads out of the repository"},
		"Jsonnet that imports itself": {files: map[string]string{"x.jsonnet": "import 'x.jsonnet'"}, reason: "max stack frames exceeded"},
		"Jsonnet that gives a text":   {files: map[string]string{"x.jsonnet": "'a'"}, reason: "neither an object nor an array"},
		"a library outside":           {source: gitopsv1.Source{Directory: &gitopsv1.DirectorySource{Jsonnet: gitopsv1.Jsonnet{Libs: []string{"../../etc"}}}}, reason: "leads out of the repository"},
		"an unknown variable": {source: gitopsv1.Source{Directory: &gitopsv1.DirectorySource{Jsonnet: gitopsv1.Jsonnet{ExtVars: []gitopsv1.JsonnetVar{{Name: "a", Value: "$PASSWORD"}}}}},
			reason: "$PASSWORD is no variable"},
	})
}

func TestHostileKustomizationsAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the network was reached") }))
	defer server.Close()
	base := func(resource string) map[string]string {
		return map[string]string{"kustomization.yaml": "resources: ['" + resource + "']\n"}
	}
	options := func(o gitopsv1.KustomizeSource) gitopsv1.Source { return gitopsv1.Source{Kustomize: &o} }
	plain := map[string]string{"kustomization.yaml": "resources: [a.yaml]\ncommonLabels: {a: b}\n", "a.yaml": configMap + "a\n"}
	refuse(t, map[string]hostile{
		"a base outside of the repository":        {files: base("../../../../etc"), reason: "leads out of the repository"},
		"a file outside of the repository":        {files: base("../../../../../../../../etc/passwd"), reason: "leads out of the repository"},
		"a base on the network":                   {files: base(server.URL + "/x.yaml"), reason: "no network"},
		"a base at the metadata service":          {files: base("http://169.254.169.254/latest/x.yaml"), reason: "no network"},
		"a base in another repository":            {files: base("git::" + server.URL + "/x.git?ref=main"), reason: "git"},
		"a base of itself":                        {files: base("."), reason: "cycle"},
		"a cycle of bases":                        {files: map[string]string{"kustomization.yaml": "resources: [a]\n", "a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}, reason: "cycle"},
		"a generator that reads outside":          {files: map[string]string{"kustomization.yaml": "configMapGenerator: [{name: x, files: [/etc/passwd]}]\n"}, reason: "leads out of the repository"},
		"a generator that links outside":          {files: map[string]string{"kustomization.yaml": "configMapGenerator: [{name: x, files: [p]}]\n", "p": "->/etc/passwd"}, reason: "leads out of the repository"},
		"a plugin":                                {files: map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: x/v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: /bin/true}\n"}, reason: "plugin"},
		"a chart inside":                          {files: map[string]string{"kustomization.yaml": "helmCharts: [{name: x, repo: '" + server.URL + "'}]\n"}, reason: "--enable-helm"},
		"an empty kustomization":                  {files: map[string]string{"kustomization.yaml": ""}, reason: "empty"},
		"two kustomizations":                      {files: map[string]string{"kustomization.yaml": "namePrefix: a\n", "Kustomization": "namePrefix: b\n"}, reason: "multiple kustomization files"},
		"a version of kustomize":                  {files: plain, source: options(gitopsv1.KustomizeSource{Version: "v3.9.0"}), reason: `version "v3.9.0" cannot be chosen`},
		"a label that is set already":             {files: plain, source: options(gitopsv1.KustomizeSource{CommonLabels: map[string]string{"a": "c"}}), reason: "forceCommonLabels"},
		"an image that is none":                   {files: plain, source: options(gitopsv1.KustomizeSource{Images: []string{"=x"}}), reason: "not of the form"},
		"a component that is missing":             {files: plain, source: options(gitopsv1.KustomizeSource{Components: []string{"nope"}}), reason: "ignoreMissingComponents"},
		"a component outside":                     {files: plain, source: options(gitopsv1.KustomizeSource{Components: []string{"../../../etc"}}), reason: "does not exist in the repository"},
		"a patch outside":                         {files: plain, source: options(gitopsv1.KustomizeSource{Patches: []gitopsv1.KustomizePatch{{Path: "/etc/passwd"}}}), reason: "leads out of the repository"},
		"labels in templates but not in any case": {files: plain, source: options(gitopsv1.KustomizeSource{CommonLabels: map[string]string{"x": "y"}, LabelIncludeTemplates: true}), reason: "needs labelWithoutSelector"},
		"options where no kustomization is":       {source: options(gitopsv1.KustomizeSource{NamePrefix: "a"}), reason: "no kustomization.yaml"},
	})
}

func TestHostileChartsAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the network was reached") }))
	defer server.Close()
	secret := outside(t)
	chart := func(template string) map[string]string {
		return map[string]string{"Chart.yaml": chartYAML, "templates/a.yaml": template}
	}
	schema := func(text string) map[string]string {
		files := chart(configMap + "a\n")
		files["values.schema.json"] = text
		return files
	}
	helm := func(h gitopsv1.HelmSource) gitopsv1.Source { return gitopsv1.Source{Helm: &h} }
	deep := strings.Repeat(`{"properties":{"a":`, 50_000) + "{}" + strings.Repeat("}}", 50_000)
	refuse(t, map[string]hostile{
		"a template that never ends":           {files: chart(`{{ range $i, $_ := until 100000 }}{{ range $j, $_ := until 100000 }}{{ if gt $j 200000 }}x{{ end }}{{ end }}{{ end }}`), reason: "did not finish within 3s"},
		"a template that grows":                {files: chart(`{{ $a := "aaaaaaaa" }}{{ range until 40 }}{{ $a = cat $a $a }}{{ end }}{{ $a }}`), reason: "needed more than 256 MiB"},
		"a template that writes without end":   {files: chart(configMap + "a\ndata:\n{{ range until 3000000 }}  a{{ . }}: xxxxxxxxxxxxxxxx\n{{ end }}"), reason: "the rendering"},
		"a template that includes itself":      {files: chart(`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`), reason: "nested reference name"},
		"a template in a template without end": {files: chart(`{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}`), reason: "the rendering"},
		"a template that fails on purpose":     {files: chart(`{{ fail "no such luck" }}`), reason: "no such luck"},
		"a template that shouts":               {files: chart(`{{ fail (repeat 100000 "x") }}`), reason: "xxx … xxx"},
		"a template that asks for the env":     {files: chart(`{{ env "PASSWORD" }}`), reason: `function "env" not defined`},
		"a template that is no YAML":           {files: chart("a: [" + canary), reason: "templates/a.yaml"},
		"a template that looks up Secrets":     {files: chart(`{{ (index (lookup "v1" "Secret" "" "").items 0).data }}`), reason: "a.yaml"},
		"a chart that is called ..":            {files: map[string]string{"Chart.yaml": "name: ..\nversion: 1.0.0\n"}, reason: "not allowed"},
		"a Chart.yaml that is a link":          {files: map[string]string{"Chart.yaml": "->" + secret}, source: helm(gitopsv1.HelmSource{ReleaseName: "x"}), reason: "leads out of the repository"},
		"a template that is a link":            {files: map[string]string{"Chart.yaml": chartYAML, "templates/a.yaml": "->" + secret}, reason: "leads out of the repository"},
		"a chart without a version":            {files: map[string]string{"Chart.yaml": "name: x\n"}, reason: "version is required"},
		"a library":                            {files: map[string]string{"Chart.yaml": chartYAML + "type: library\n"}, reason: "cannot be rendered on its own"},
		"a chart for another Kubernetes":       {files: map[string]string{"Chart.yaml": chartYAML + "kubeVersion: '>=99'\n"}, reason: "asks for Kubernetes >=99"},
		"no chart":                             {source: helm(gitopsv1.HelmSource{ReleaseName: "x"}), reason: "Chart.yaml"},
		"a dependency on the network":          {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: y, version: 1.x, repository: '" + server.URL + "'}]\n"}, reason: "run helm dependency build"},
		"a dependency that is missing":         {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: y, version: 1.x}]\n"}, reason: "commit it there"},
		"a dependency outside":                 {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: y, version: 1.x, repository: 'file://../../../../etc'}]\n"}, reason: "leads out of the repository"},
		"a dependency on itself":               {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: y, version: 1.x, repository: 'file://.'}]\n"}, reason: "depends on itself"},
		"a dependency of another version":      {files: map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: dep, version: 2.x, repository: 'file://dep'}]\n", "dep/Chart.yaml": "name: dep\nversion: 1.0.0\n"}, reason: "holds chart dep 1.0.0, where dep 2.x"},
		"a vendored archive that is none":      {files: map[string]string{"Chart.yaml": chartYAML, "charts/y.tgz": "no archive"}, reason: "y.tgz"},
		"values that do not fit":               {files: schema(`{"required":["a"]}`), reason: "missing property 'a'"},
		"a schema that reads a file":           {files: schema(`{"$ref":"file://` + secret + `"}`), reason: "may only refer to itself"},
		"a schema of a schema in a file":       {files: schema(`{"$schema":"file://` + secret + `"}`), reason: "may only refer to itself"},
		"a schema that asks the network":       {files: schema(`{"$ref":"` + server.URL + `/x.json"}`), reason: "may only refer to itself"},
		"a schema without end":                 {files: schema(deep), reason: "is no JSON"},
		"a schema that is no JSON":             {files: schema(`{`), reason: "is no JSON"},
		"a values file outside":                {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{"../../../etc/passwd"}}), reason: "leads out of the repository"},
		"a values file that links outside":     {files: map[string]string{"Chart.yaml": chartYAML, "v.yaml": "->" + secret}, reason: "leads out of the repository"},
		"a values file on the network":         {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{server.URL + "/v.yaml"}}), reason: "cannot come from the network"},
		"a values file of an unknown ref":      {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{"$other/v.yaml"}}), reason: "no source of the Application has the ref other"},
		"a values file that is missing":        {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{"nope.yaml"}}), reason: "nope.yaml"},
		"a glob without a match":               {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{"nope/*.yaml"}}), reason: "no file matches"},
		"a glob outside":                       {files: chart(""), source: helm(gitopsv1.HelmSource{ValueFiles: []string{"/../../**/*.yaml"}}), reason: "leads out of the repository"},
		"values that are a list":               {files: chart(""), source: helm(gitopsv1.HelmSource{Values: "[a]"}), reason: "no YAML object"},
		"values objects without measure": {files: chart(""), source: helm(gitopsv1.HelmSource{ValuesObject: &apiextensionsv1.JSON{
			Raw: []byte(strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001)),
		}}), reason: "exceeded max depth"},
		"values objects that are a text":       {files: chart(""), source: helm(gitopsv1.HelmSource{ValuesObject: &apiextensionsv1.JSON{Raw: []byte(`"a"`)}}), reason: "no YAML object"},
		"a parameter with an unknown variable": {files: chart(""), source: helm(gitopsv1.HelmSource{Parameters: []gitopsv1.HelmParameter{{Name: "a", Value: "$PASSWORD"}}}), reason: "$PASSWORD is no variable"},
		"a parameter at a huge index":          {files: chart(""), source: helm(gitopsv1.HelmSource{Parameters: []gitopsv1.HelmParameter{{Name: "a[999999999]", Value: "x"}}}), reason: "greater than maximum"},
		"a parameter without end":              {files: chart(""), source: helm(gitopsv1.HelmSource{Parameters: []gitopsv1.HelmParameter{{Name: strings.Repeat("a.", 100_000), Value: "x"}}}), reason: "nested"},
		"a file parameter outside":             {files: chart(""), source: helm(gitopsv1.HelmSource{FileParameters: []gitopsv1.HelmFileParameter{{Name: "a", Path: "../../etc/passwd"}}}), reason: "leads out of the repository"},
		"a release that cannot be called so":   {files: chart(""), source: helm(gitopsv1.HelmSource{ReleaseName: strings.Repeat("a", 60)}), reason: "cannot be called"},
		"a Kubernetes version that is none":    {files: chart(""), source: helm(gitopsv1.HelmSource{KubeVersion: "new"}), reason: "is no version"},
		"more values than a process can hold":  {files: map[string]string{"Chart.yaml": chartYAML, "values.yaml": "a:\n" + strings.Repeat("- {a: b, c: d, e: f}\n", 450_000), "templates/a.yaml": "{{ .Values.a | toYaml }}"}, reason: "the rendering"},
	})
}
