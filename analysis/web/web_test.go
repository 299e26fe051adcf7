package web

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/sluice-delivery/sluice/analysis"
	"github.com/sluice-delivery/sluice/analysis/providertest"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
)

func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func metricOf(w v1alpha1.WebMetric) v1alpha1.Metric {
	return v1alpha1.Metric{Name: "check", Provider: v1alpha1.MetricProvider{Web: &w}}
}

func measure(t *testing.T, w v1alpha1.WebMetric) (analysis.Reading, error) {
	t.Helper()
	return Provider{}.Measure(t.Context(), nil, metricOf(w), nil)
}

// tokens is a server that gives tokens to the client id with its secret.
func tokens(t *testing.T, id, secret, token string) v1alpha1.Authentication {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if gotID, gotSecret, _ := r.BasicAuth(); gotID != id || gotSecret != secret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read write" {
			t.Errorf("asked for a token by %s, %s, %v", gotID, gotSecret, r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer"}`, token)
	})
	return v1alpha1.Authentication{OAuth2: &v1alpha1.OAuth2Config{TokenURL: address, ClientID: id, ClientSecret: secret, Scopes: []string{"read", "write"}}}
}

func TestTheContract(t *testing.T) {
	providertest.Contract(t, func(t *testing.T, address string) providertest.World {
		return providertest.World{
			Provider: Provider{},
			Metric:   metricOf(v1alpha1.WebMetric{URL: address, JSONPath: "{.value}", Authentication: tokens(t, "me", "client-secret", "token-0123456789")}),
			Secrets:  []string{"token-0123456789"},
		}
	})
}

func TestTheRequestIsSentAsItIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		metric v1alpha1.WebMetric
		want   string
	}{
		"without a method it is GET": {v1alpha1.WebMetric{URL: "/a?b=c"}, "GET /a?b=c type= auth= x= body="},
		"text":                       {v1alpha1.WebMetric{URL: "/", Method: "POST", Body: "x=1", Headers: []v1alpha1.WebMetricHeader{{Key: "Content-Type", Value: "text/x"}}}, "POST / type=text/x auth= x= body=x=1"},
		"JSON":                       {v1alpha1.WebMetric{URL: "/", Method: "PUT", JSONBody: &apiextensionsv1.JSON{Raw: []byte(`{"a":1}`)}}, `PUT / type=application/json auth= x= body={"a":1}`},
		"JSON of another type":       {v1alpha1.WebMetric{URL: "/", Method: "PUT", JSONBody: &apiextensionsv1.JSON{Raw: []byte(`{}`)}, Headers: []v1alpha1.WebMetricHeader{{Key: "content-type", Value: "application/x+json"}}}, `PUT / type=application/x+json auth= x= body={}`},
		"a header out of a file":     {v1alpha1.WebMetric{URL: "/", Headers: []v1alpha1.WebMetricHeader{{Key: "X-Key", Value: " k\n"}}}, "GET / type= auth= x=k body="},
		"the last of two headers":    {v1alpha1.WebMetric{URL: "/", Headers: []v1alpha1.WebMetricHeader{{Key: "X-Key", Value: "a"}, {Key: "X-Key", Value: "b"}}}, "GET / type= auth= x=b body="},
		"a bearer token":             {v1alpha1.WebMetric{URL: "/", Headers: []v1alpha1.WebMetricHeader{{Key: "Authorization", Value: "Bearer t"}}}, "GET / type= auth=Bearer t x= body="},
		"basic authentication":       {v1alpha1.WebMetric{URL: "/", Authentication: v1alpha1.Authentication{Basic: &v1alpha1.BasicAuth{Username: "u", Password: "p"}}}, "GET / type= auth=Basic *** x= body="},
		"OAuth2":                     {v1alpha1.WebMetric{URL: "/", Authentication: tokens(t, "me", "s", "tok")}, "GET / type= auth=Bearer tok x= body="},
	} {
		t.Run(name, func(t *testing.T) {
			told := ""
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				told = fmt.Sprintf("%s %s type=%s auth=%s x=%s body=%s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), strings.Join(r.Header.Values("X-Key"), ","), body)
				fmt.Fprint(w, "{}")
			})
			c.metric.URL = address + c.metric.URL
			if _, err := measure(t, c.metric); err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(c.want, "***", "dTpw", 1)
			if told != want {
				t.Errorf("got  %s\nwant %s", told, want)
			}
		})
	}
}

func TestTheAnswerIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		body, path string
		want       analysis.Reading
		wantError  string
	}{
		"a document":                         {`{"a":1}`, "", analysis.Reading{Result: map[string]any{"a": 1.0}, Value: `{"a":1}`}, ""},
		"a document by its path":             {`{"a":1}`, "{$}", analysis.Reading{Result: map[string]any{"a": 1.0}, Value: `{"a":1}`}, ""},
		"a number":                           {`{"a":{"b":[5,0.5]}}`, "{$.a.b[1]}", analysis.Reading{Result: 0.5, Value: "0.5"}, ""},
		"a path without the dollar":          {`{"a":"x"}`, "{.a}", analysis.Reading{Result: "x", Value: `"x"`}, ""},
		"the first of several":               {`[{"a":true},{"a":false}]`, "{[*].a}", analysis.Reading{Result: true, Value: "true"}, ""},
		"the first that fits":                {`[{"n":"x","v":1},{"n":"y","v":2}]`, "{[?(@.n=='y')].v}", analysis.Reading{Result: 2.0, Value: "2"}, ""},
		"a descent":                          {`{"x":{"y":{"deep":7}}}`, "{..deep}", analysis.Reading{Result: 7.0, Value: "7"}, ""},
		"the first action of several":        {`{"a":1,"b":2}`, "{.b}{.a}", analysis.Reading{Result: 2.0, Value: "2"}, ""},
		"null":                               {`null`, "", analysis.Reading{Value: "null"}, ""},
		"null in a document":                 {`{"a":null}`, "{.a}", analysis.Reading{Value: "null"}, ""},
		"an empty list":                      {`{"a":[]}`, "{.a}", analysis.Reading{Result: []any{}, Value: "[]"}, ""},
		"text that is no JSON":               {"healthy", "", analysis.Reading{Result: "healthy", Value: "healthy"}, ""},
		"no body":                            {"", "", analysis.Reading{Result: "", Value: ""}, ""},
		"a path into text that is no JSON":   {"healthy", "{.a}", analysis.Reading{}, "the answer is no JSON, so that jsonPath {.a} finds nothing: invalid character 'h' looking for beginning of value"},
		"a field that is not there":          {`{"a":1}`, "{.b}", analysis.Reading{}, "looking into the answer by jsonPath {.b}: b is not found"},
		"an element that is not there":       {`[1]`, "{[3]}", analysis.Reading{}, "looking into the answer by jsonPath {[3]}: array index out of bounds: index 3, length 1"},
		"a filter that nothing passes":       {`[{"a":"x"}]`, "{[?(@.a=='y')]}", analysis.Reading{}, "looking into the answer by jsonPath {[?(@.a=='y')]}: there is nothing"},
		"a path into null":                   {`null`, "{[0]}", analysis.Reading{}, "looking into the answer by jsonPath {[0]}: it does not fit: reflect: call of reflect.Value.Type on zero Value"},
		"a path that is none":                {`{}`, "{.a", analysis.Reading{}, "looking into the answer by jsonPath {.a: unclosed action"},
		"a path without braces":              {`{}`, "$.a", analysis.Reading{}, "looking into the answer by jsonPath $.a: it begins with text; write it in braces, such as {.data.value}"},
		"a path that is long":                {`{}`, "{" + strings.Repeat(".a", 600) + "}", analysis.Reading{}, "looking into the answer by jsonPath {" + strings.Repeat(".a", 600) + "}: it has 1202 bytes, at most 1024 are allowed"},
		"a descent within a descent":         {`{}`, "{..a..b}", analysis.Reading{}, "looking into the answer by jsonPath {..a..b}: it has more than one ..; name the fields instead"},
		"a descent within a filter":          {`{}`, "{..a[?(@..b==1)]}", analysis.Reading{}, "looking into the answer by jsonPath {..a[?(@..b==1)]}: it has more than one ..; name the fields instead"},
		"a document deeper than JSON allows": {strings.Repeat("[", 100_000), "{..a}", analysis.Reading{}, "the answer is no JSON, so that jsonPath {..a} finds nothing: invalid character '[' exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := measure(t, v1alpha1.WebMetric{JSONPath: c.path, URL: serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.body) })})
			if (err != nil || c.wantError != "") && fmt.Sprint(err) != c.wantError {
				t.Fatalf("got error %v\nwant %s", err, c.wantError)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPathThatMultipliesWhatItFindsEndsSoon(t *testing.T) {
	lists := "1"
	for range 30 {
		lists = "[" + lists + "]"
	}
	deep := strings.Repeat(`{"x":`, 5000) + "1" + strings.Repeat("}", 5000)
	const tooMuch, oneDescent = "it looks at too much of an answer of", "it has more than one .."
	for name, c := range map[string]struct{ body, path, wantError string }{
		"a union of unions":              {lists, "{" + strings.Repeat("[0,0]", 30) + "}", tooMuch},
		"a union of all with all":        {"[" + strings.Repeat("[1,2,3,4,5,6,7,8],", 100_000) + "[1]]", "{[*,*,*,*][*,*,*,*]}", tooMuch},
		"the same action many times":     {"[" + strings.Repeat("1,", 1_000_000) + "1]", "{" + strings.Repeat("[*]}{", 100) + "[*]}", tooMuch},
		"a descent into a deep document": {deep, "{..x}", ""},
		"a descent into a long text":     {`["` + strings.Repeat("x", 3<<20) + `"]`, "{..a}", tooMuch},
		"a range of ranges":              {deep, "{range ..x}{range ..x}{.x}{end}{end}", oneDescent},
		"all of a large document":        {"[" + strings.Repeat("1,", 1_500_000) + "1]", "{[*]}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := read([]byte(c.body), c.path)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if (err != nil || c.wantError != "") && (c.wantError == "" || !strings.Contains(fmt.Sprint(err), c.wantError)) {
				t.Errorf("got error %v, want %s", err, c.wantError)
			}
			if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 512 || took > time.Minute {
				t.Errorf("it took %s and %d MiB", took, made)
			}
		})
	}
}

func TestWhatAServerRepeatsHoldsNoCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		auth v1alpha1.Authentication
		told []string
	}{
		"basic authentication": {v1alpha1.Authentication{Basic: &v1alpha1.BasicAuth{Username: "user", Password: "canary-pass"}}, []string{"canary-pass", "dXNlcjpjYW5hcnktcGFzcw"}},
		"OAuth2":               {tokens(t, "me", "canary-secret", "canary-token"), []string{"canary-token", "canary-secret"}},
	} {
		for _, status := range []int{http.StatusOK, http.StatusForbidden} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				address := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(status)
					_, password, _ := r.BasicAuth()
					_ = json.NewEncoder(w).Encode(map[string]any{"headers": r.Header, "password": password})
				})
				reading, err := measure(t, v1alpha1.WebMetric{URL: address, Authentication: c.auth})
				text := fmt.Sprintf("%+v %v", reading, err)
				for _, secret := range c.told {
					if strings.Contains(text, secret) {
						t.Error(text)
					}
				}
				if !strings.Contains(text, "***") {
					t.Errorf("the server repeated nothing: %s", text)
				}
			})
		}
	}
}

func TestAServerThatGivesNoTokenIsNamed(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "not you, canary-secret")
	})
	asked := false
	metrics := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	_, err := measure(t, v1alpha1.WebMetric{URL: metrics, Authentication: v1alpha1.Authentication{
		OAuth2: &v1alpha1.OAuth2Config{TokenURL: address + "/token?key=hidden", ClientID: "me", ClientSecret: "canary-secret"},
	}})
	if text := fmt.Sprint(err); asked || !strings.Contains(text, "asking "+address+"/token for a token: ") || !strings.Contains(text, "not you, ***") || strings.Contains(text, "hidden") {
		t.Errorf("asked %t, %s", asked, text)
	}
}

func TestACertificateIsCheckedUnlessTheMetricSaysOtherwise(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the client that went away
	server.StartTLS()
	defer server.Close()
	if _, err := measure(t, v1alpha1.WebMetric{URL: server.URL}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	if got, err := measure(t, v1alpha1.WebMetric{URL: server.URL, Insecure: true}); err != nil || got.Result != 1.0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestARedirectOnTheSameHostKeepsTheCredentials(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		user, _, _ := r.BasicAuth()
		fmt.Fprintf(w, "%q", user)
	})
	got, err := measure(t, v1alpha1.WebMetric{URL: address, Authentication: v1alpha1.Authentication{Basic: &v1alpha1.BasicAuth{Username: "me"}}})
	if err != nil || got.Result != "me" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A value may stand in a URL or a header; it must not become another header.
func TestALineBreakInAURLOrAHeaderSendsNothing(t *testing.T) {
	asked := false
	address := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	for _, w := range []v1alpha1.WebMetric{
		{URL: address + "/\r\nX-Other: 1"},
		{URL: address, Headers: []v1alpha1.WebMetricHeader{{Key: "X-Key", Value: "a\r\nX-Other: 1"}}},
		{URL: address, Headers: []v1alpha1.WebMetricHeader{{Key: "X-Key\r\nX-Other", Value: "1"}}},
		{URL: address, Method: "GET / HTTP/1.1\r\nX-Other: 1"},
	} {
		if _, err := measure(t, w); err == nil || asked {
			t.Errorf("%+v: asked %t, %v", w, asked, err)
		}
	}
}

func FuzzJSONPath(f *testing.F) {
	for _, path := range []string{"", "{$}", "{.a}", "{.a.b[0]}", "{..a}", "{[*]}", "{[?(@.a==1)]}", "{range .items[*]}{.a}{end}", "{[0,1]['a','b']}", "{[-1:]}", "{.a[0:9:2]}", "{$.a", "x", "{end}", `{"\u00"}`, "{[?(@)]}", "{@}{1}{1.5}{true}", "{..}", "{['a.b']}", "{[0]}"} {
		for _, body := range []string{`{"a":{"b":[1,null]},"items":[{"a":1},null,[]]}`, "null", "[null]", `"text"`, "7", "not JSON", "[[[1]]]", ""} {
			f.Add(path, body)
		}
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		start := time.Now()
		reading, err := read([]byte(body), path)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if err != nil && reading.Result != nil {
			t.Errorf("both %v and %v", reading, err)
		}
	})
}
