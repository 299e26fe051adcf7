package gitsync

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/test/suite"
)

const (
	// bird stands in every Secret of the test below; nothing that people or programs are shown may hold it.
	bird = `tweety-the-"canary`
	// pin is a bird that somebody has written without quotes.
	pin = "735560813579"
)

// forms are the ways in which a text may hold the bird.
func forms() []string {
	all := []string{bird, strings.ReplaceAll(bird, `"`, `\"`), "tweety-the-", pin}
	for before := range 3 {
		// What a bird becomes in base64 depends on how many bytes stand in front of it; what its neighbours touch is cut off.
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + bird + "xxx"))
		all = append(all, text[4*((before+2)/3):4*((before+len(bird))/3)])
	}
	return append(all, base64.StdEncoding.EncodeToString([]byte(pin))[:12])
}

// listener looks for the bird in everything that it is given.
type listener struct {
	t     *testing.T
	heard int
}

func (l *listener) hear(where, text string) {
	l.t.Helper()
	l.heard++
	for _, form := range forms() {
		if at := strings.Index(text, form); at >= 0 {
			l.t.Errorf("%s tells what a Secret holds: …%s…", where, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}

func (l *listener) hearObject(where string, o any) {
	l.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hear(where, string(text))
}

// run runs kubectl sluice app; what it exits with is no matter.
func (l *listener) run(arguments ...string) {
	l.t.Helper()
	command := exec.CommandContext(l.t.Context(), filepath.Join(up.Dir, "bin", "kubectl-sluice"),
		append([]string{"--kubeconfig=" + up.Kubeconfig, "--namespace=" + gitopsv1.DefaultControlNamespace, "app"}, arguments...)...)
	text, err := command.CombinedOutput()
	if len(text) == 0 {
		l.t.Errorf("kubectl sluice app %s says nothing: %v", strings.Join(arguments, " "), err)
	}
	l.hear("kubectl sluice app "+strings.Join(arguments, " "), string(text))
}

// hearCommands asks in all the ways that people have.
func (l *listener) hearCommands(name string) {
	l.t.Helper()
	for _, arguments := range [][]string{
		{"get", name}, {"get", name, "--output=yaml"}, {"diff", name}, {"manifests", name}, {"manifests", name, "--source=live"}, {"history", name}, {"list"},
	} {
		l.run(arguments...)
	}
}

// hearCluster looks through all that is left in the cluster for people to read.
func (l *listener) hearCluster() {
	l.t.Helper()
	for _, list := range []client.ObjectList{&gitopsv1.ApplicationList{}, &gitopsv1.ApplicationSetList{}, &gitopsv1.AppProjectList{}, &corev1.EventList{}} {
		if err := up.Client.List(l.t.Context(), list); err != nil {
			l.t.Fatal(err)
		}
		l.hearObject(fmt.Sprintf("%T", list), list)
	}
}

// hearController looks through the log and the metrics, which must speak of an Application.
func (l *listener) hearController(name string) {
	l.t.Helper()
	words, metrics := said(l.t), l.fetch(http.MethodGet, up.MetricsURL, nil)
	l.hear("the log", words)
	if !strings.Contains(words, `"name":"`+name+`"`) || !strings.Contains(metrics, `name="`+name+`"`) {
		l.t.Errorf("the log (%d bytes) or the metrics (%d bytes) do not speak of %s", len(words), len(metrics), name)
	}
}

// said is all that the controller has said.
func said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(up.Dir, up.Controller.Name()+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fetch asks a server of the controller.
func (l *listener) fetch(method, url string, header map[string]string) string {
	l.t.Helper()
	request, err := http.NewRequestWithContext(l.t.Context(), method, url, strings.NewReader("{"))
	if err != nil {
		l.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hear(url, string(text))
	return string(text)
}

func (l *listener) hearWebhooks() {
	l.t.Helper()
	for _, header := range []map[string]string{
		nil, {"X-GitHub-Event": "push"}, {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=00"}, {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "no"},
		{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": bird}, {"X-Event-Key": "repo:refs_changed"}, {"X-Gogs-Event": "push", "X-Gogs-Signature": "00"},
	} {
		l.fetch(http.MethodPost, up.HooksURL, header)
	}
}

// grumbler is a host that lets nobody in and repeats what it was sent.
func grumbler(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		http.Error(w, fmt.Sprintf("not %s with %s of %v", user, password, r.Header), http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// create makes objects that are there until the test is over.
func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := up.Client.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
		t.Cleanup(func() {
			if err := up.Client.Delete(context.WithoutCancel(t.Context()), o); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		})
	}
}

func labelledSecret(name, kind string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: name, Labels: map[string]string{gitopsv1.LabelSecretType: kind}},
		StringData: data,
	}
}

// indiscreet makes a rule of admission that repeats what a Secret holds, in a refusal or in a warning.
func indiscreet(t *testing.T, name string, action admissionv1.ValidationAction, operation admissionv1.OperationType, object, refuses string) *admissionv1.ValidatingAdmissionPolicyBinding {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{operation},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}}}},
			Validations: []admissionv1.Validation{{
				Expression:        fmt.Sprintf("!%s.metadata.name.startsWith('%s')", object, refuses),
				MessageExpression: fmt.Sprintf("'not with ' + %[1]s.data.map(k, %[1]s.data[k]).join(' and ')", object),
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{action}},
	}
	create(t, policy, binding)
	return binding
}

// warnings keeps what an API server warns of.
type warnings struct {
	mu   sync.Mutex
	text string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text += text + "\n"
}

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text
}

// awaitIndiscretion waits until the API server follows the rules, which takes it a moment.
func awaitIndiscretion(t *testing.T, namespace string) {
	t.Helper()
	heard := &warnings{}
	config := up.Cluster.Config()
	config.WarningHandler = heard
	direct, err := client.New(config, client.Options{Scheme: up.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	suite.Eventually(t, "admission repeats what Secrets hold", func() bool {
		try := func(name string) error {
			s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"key": bird}}
			return direct.Create(t.Context(), s, client.DryRunAll)
		}
		code := base64.StdEncoding.EncodeToString([]byte(bird))
		denied, warned := try("denied"), try("warned")
		return apierrors.IsInvalid(denied) && strings.Contains(denied.Error(), code) && warned == nil && strings.Contains(heard.String(), code)
	})
}

const (
	goodSecret = `
apiVersion: v1
kind: Secret
metadata:
  name: password
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"password"},"stringData":{"key":"tweety-the-\"canary"}}'}
stringData: {key: 'tweety-the-"canary', lines: "tweety-the-\"canary\nand tweety-the-\"canary\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: clinging}
stringData: {key: 'tweety-the-"canary'}
`
	badSecrets = `
apiVersion: v1
kind: Secret
metadata: {name: denied}
stringData: {key: 'tweety-the-"canary'}
---
apiVersion: v1
kind: Secret
metadata: {name: number}
data: {key: 735560813579}
---
apiVersion: v1
kind: Secret
metadata: {name: deep}
data: {key: {deeper: ['tweety-the-"canary', 735560813579]}}
---
apiVersion: v1
kind: Secret
metadata: {name: flat}
data: 'tweety-the-"canary'
---
apiVersion: v1
kind: Secret
metadata: {name: plain}
data: {key: 'tweety-the-"canary'}
`
)

// indiscreetHealth says of a Secret what it holds.
const indiscreetHealth = `return {status = "Healthy", message = "it holds " .. obj.data.key}`

// troubled makes Applications whose credentials do not work, and gives their names.
func troubled(t *testing.T) (names []string) {
	t.Helper()
	host := grumbler(t)
	create(t,
		labelledSecret("bird-repository", gitopsv1.SecretTypeRepository, map[string]string{"url": host + "/org/repo.git", "username": "git", "password": bird}),
		labelledSecret("bird-template", gitopsv1.SecretTypeRepoCreds, map[string]string{"url": host + "/team", "bearerToken": bird}),
		labelledSecret("bird-chart", gitopsv1.SecretTypeRepository, map[string]string{"url": host + "/charts", "type": "helm", "username": "git", "password": bird}),
		labelledSecret("bird-ssh", gitopsv1.SecretTypeRepository, map[string]string{
			"url": "ssh://git@127.0.0.1:1/org/repo.git", "sshPrivateKey": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + bird + "\n",
		}),
		labelledSecret("bird-cluster", gitopsv1.SecretTypeCluster, map[string]string{
			"name": "grumbler", "server": host, "config": `{"username":"git","password":"tweety-the-\"canary","tlsClientConfig":{"insecure":true}}`,
		}),
		labelledSecret("bird-proxied", gitopsv1.SecretTypeCluster, map[string]string{
			"name": "proxied", "server": "https://127.0.0.1:1", "config": `{"bearerToken":"tweety-the-\"canary","proxyUrl":"http://git:tweety-the-%22canary@127.0.0.1:1"}`,
		}),
		labelledSecret("bird-broken", gitopsv1.SecretTypeCluster, map[string]string{
			"name": "broken", "server": "https://broken.example", "config": `{"bearerToken":"tweety-the-\"canary","tlsClientConfig":{"caData":"tweety-the-\"canary`,
		}),
	)
	for name, spec := range map[string]gitopsv1.ApplicationSpec{
		"bird-repository": {Source: &gitopsv1.Source{RepoURL: host + "/org/repo.git", Path: "x"}},
		"bird-template":   {Source: &gitopsv1.Source{RepoURL: host + "/team/repo.git", Path: "x"}},
		"bird-chart":      {Source: &gitopsv1.Source{RepoURL: host + "/charts", Chart: "x", TargetRevision: "1.x"}},
		"bird-ssh":        {Source: &gitopsv1.Source{RepoURL: "ssh://git@127.0.0.1:1/org/repo.git", Path: "x"}},
		"bird-cluster":    {Destination: gitopsv1.Destination{Name: "grumbler"}},
		"bird-proxied":    {Destination: gitopsv1.Destination{Name: "proxied"}},
		"bird-broken":     {Destination: gitopsv1.Destination{Name: "broken"}},
	} {
		app := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: name}, Spec: spec}
		if app.Spec.Source == nil {
			app.Spec.Source = &gitopsv1.Source{RepoURL: up.Forge.URL + "/bird.git", Path: "all"}
		} else {
			app.Spec.Destination.Server = gitopsv1.InClusterServer
		}
		app.Spec.Destination.Namespace = "bird"
		create(t, app)
		names = append(names, name)
	}
	return names
}

// generators ask the host HOST with the token of the Secret bird-token.
var generators = map[string]string{
	"bird-pulls-github": "pullRequest: {github: {owner: shop, repo: web, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-pulls-gitlab": "pullRequest: {gitlab: {project: shop/web, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-pulls-gitea":  "pullRequest: {gitea: {owner: shop, repo: web, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-scm-github":   "scmProvider: {github: {organization: shop, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-scm-gitlab":   "scmProvider: {gitlab: {group: shop, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-scm-gitea":    "scmProvider: {gitea: {owner: shop, api: HOST, tokenRef: {secretName: bird-token, key: token}}}",
	"bird-plugin":       "plugin: {configMapRef: {name: bird-plugin}}",
}

// troubledSets makes ApplicationSets whose tokens nobody takes, and returns when each has said so.
func troubledSets(t *testing.T) {
	t.Helper()
	host := grumbler(t)
	inControl := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: name}
	}
	create(t,
		&corev1.Secret{ObjectMeta: inControl("bird-token"), StringData: map[string]string{"token": bird}},
		&corev1.ConfigMap{ObjectMeta: inControl("bird-plugin"), Data: map[string]string{"baseUrl": host, "token": "$bird-token:token"}},
	)
	for name, generator := range generators {
		set := &gitopsv1.ApplicationSet{ObjectMeta: inControl(name)}
		text := "generators: [{" + strings.ReplaceAll(generator, "HOST", host) + "}]\ntemplate: {metadata: {name: x}, spec: {project: default, destination: {}}}\n"
		if err := yaml.UnmarshalStrict([]byte(text), &set.Spec); err != nil {
			t.Fatal(err)
		}
		create(t, set)
		suite.Eventually(t, name+" says that it is not let in", func() bool {
			if err := up.Client.Get(t.Context(), client.ObjectKeyFromObject(set), set); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(set.Status.Conditions, func(c gitopsv1.ApplicationSetCondition) bool {
				return c.Type == gitopsv1.ConditionErrorOccurred && c.Status == metav1.ConditionTrue && strings.Contains(c.Message, "403")
			})
		})
	}
}

// chart renders a value into Secrets, of which a server takes only the first.
var chart = map[string]string{
	"Chart.yaml":            "apiVersion: v2\nname: bird\nversion: 1.0.0\n",
	"values.yaml":           "value: 'tweety-the-\"canary'\n",
	"templates/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: charted}\nstringData: {key: {{ .Values.value | quote }}}\n",
	"templates/bad.yaml":    "apiVersion: v1\nkind: Secret\nmetadata: {name: spoilt}\ndata: {key: {{ .Values.value | quote }}}\n",
}

func TestNothingTellsWhatSecretsHold(t *testing.T) {
	l := &listener{t: t}
	hooks := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: gitopsv1.SecretWebhooks}}
	patch := fmt.Sprintf(`{"stringData":{"webhook.github.secret":%[1]q,"webhook.gitlab.secret":%[1]q}}`, bird)
	if err := up.Client.Patch(t.Context(), hooks, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	settle(t, map[string]string{"resource.customizations.health.Secret": indiscreetHealth})
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "indiscreet"}})
	indiscreet(t, "refuses", admissionv1.Deny, admissionv1.Create, "object", "denied")
	indiscreet(t, "warns", admissionv1.Warn, admissionv1.OperationAll, "object", "")
	awaitIndiscretion(t, "indiscreet")

	s, first := newSite(t, "bird", "syncPolicy: {automated: {prune: true, selfHeal: true}, retry: {}}\n", map[string]string{"secret.yaml": goodSecret, "settings.yaml": settings})
	others := troubled(t)
	troubledSets(t)
	charted, spoilt := newSite(t, "bird-helm", "syncPolicy: {automated: {}, retry: {}}\n", chart)
	s.synced(first, gitopsv1.HealthHealthy)
	l.hearCommands(s.name)
	charted.refused(spoilt)
	for _, command := range []string{"get", "diff", "manifests"} {
		l.run(command, charted.name)
	}
	l.hearCluster()
	charted.synced(charted.push(map[string]string{"templates/bad.yaml": strings.ReplaceAll(chart["templates/bad.yaml"], "quote", "b64enc")}), gitopsv1.HealthHealthy)
	l.hearCommands(charted.name)
	l.hearWebhooks()

	// Somebody changes the Secret.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "password"}}
	if err := up.Client.Patch(t.Context(), secret, client.RawPatch(types.MergePatchType, []byte(`{"stringData":{"key":"tweety-the-\"canary's brother"}}`))); err != nil {
		t.Fatal(err)
	}
	s.await("the Secret is healed", func() bool { return string(s.read(secret).(*corev1.Secret).Data["key"]) == bird })

	bad := s.push(map[string]string{"bad.yaml": badSecrets})
	if n := s.refused(bad); n < 4 {
		t.Errorf("%d results", n)
	}
	l.hearCommands(s.name)
	l.hearCluster()

	if err := os.Remove(filepath.Join(s.Dir, "all", "bad.yaml")); err != nil {
		t.Fatal(err)
	}
	pruned := s.push(map[string]string{"secret.yaml": strings.SplitAfter(goodSecret, "\n---\n")[1]})
	s.synced(pruned, gitopsv1.HealthHealthy)
	l.hearCommands(s.name)
	s.await("the others say what is wrong", func() bool {
		for _, name := range others {
			other := &gitopsv1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: gitopsv1.DefaultControlNamespace, Name: name}}
			if len(s.read(other).(*gitopsv1.Application).Status.Conditions) == 0 {
				return false
			}
		}
		return true
	})
	for _, name := range others {
		l.hearCommands(name)
	}
	l.hearController(s.name)
	s.deletedInVain(l)
	l.hearCluster()
	l.hear("the log", said(t))
	if l.heard < 50 {
		t.Errorf("only %d texts were looked at", l.heard)
	}
}

// refused waits until the sync of a commit has failed, and gives the number of its results.
func (s *site) refused(commit string) (results int) {
	s.t.Helper()
	app := s.app()
	s.await("a commit is refused", func() bool {
		state := s.read(app).(*gitopsv1.Application).Status.OperationState
		return state != nil && state.Phase == gitopsv1.OperationFailed && state.SyncResult != nil && state.SyncResult.Revision == commit
	})
	return len(app.Status.OperationState.SyncResult.Resources)
}

// deletedInVain deletes the Application with what it holds, of which one object cannot go until a rule of admission does.
func (s *site) deletedInVain(l *listener) {
	s.t.Helper()
	app := s.app()
	indiscretion := indiscreet(s.t, "clings", admissionv1.Deny, admissionv1.Delete, "oldObject", "clinging")
	clinging := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "clinging"}}
	s.await("the Secret cannot be deleted", func() bool { return apierrors.IsInvalid(up.Client.Delete(s.t.Context(), clinging, client.DryRunAll)) })
	patch := fmt.Sprintf(`{"metadata":{"finalizers":[%q]}}`, gitopsv1.FinalizerResources)
	if err := up.Client.Patch(s.t.Context(), app, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		s.t.Fatal(err)
	}
	if err := up.Client.Delete(s.t.Context(), app); err != nil {
		s.t.Fatal(err)
	}
	s.await("the Application says why it does not go", func() bool {
		for _, c := range s.read(app).(*gitopsv1.Application).Status.Conditions {
			if c.Type == gitopsv1.ConditionDeletionError {
				return true
			}
		}
		return false
	})
	l.hearCluster()
	if err := up.Client.Delete(s.t.Context(), indiscretion); err != nil {
		s.t.Fatal(err)
	}
	s.await("the Application goes", func() bool {
		return apierrors.IsNotFound(up.Client.Get(s.t.Context(), client.ObjectKeyFromObject(app), app))
	})
}
