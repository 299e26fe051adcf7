package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// environment reads variables from a map.
func environment(variables map[string]string) *Signer {
	return &Signer{Getenv: func(name string) string { return variables[name] }}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$`)

// signed checks the signature of a request as AWS documents it for Signature Version 4, apart from the library that made it.
func signed(r *http.Request, body, secret string) error {
	part := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if part == nil {
		return fmt.Errorf("no signature in %q", r.Header.Get("Authorization"))
	}
	headers := ""
	for name := range strings.SplitSeq(part[5], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(len(body))
		}
		headers += name + ":" + strings.TrimSpace(value) + "\n"
	}
	hash := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	request := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.Query().Encode(), headers, part[5], hash(body)}, "\n")
	scope := strings.Join([]string{part[2], part[3], part[4], "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), scope, hash(request)}, "\n")
	key := mac(mac(mac(mac([]byte("AWS4"+secret), part[2]), part[3]), part[4]), "aws4_request")
	if want := hex.EncodeToString(mac(key, text)); want != part[6] {
		return fmt.Errorf("signature %s, want %s of\n%s", part[6], want, request)
	}
	return nil
}

func TestTheSignatureCoversBodyHeadersAndToken(t *testing.T) {
	s := environment(map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-012345", "AWS_SESSION_TOKEN": "session-token-0123", "AWS_REGION": "eu-west-1",
	})
	key, err := s.Key(t.Context(), "monitoring", "", Identity{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://monitoring.eu-west-1.amazonaws.com/?b=2&a=1", strings.NewReader("Action=X"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	if err := key.Sign(r); err != nil {
		t.Fatal(err)
	}
	if err := signed(r, "Action=X", "secret-key-012345"); err != nil {
		t.Error(err)
	}
	if part := authorization.FindStringSubmatch(r.Header.Get("Authorization")); part[1] != "AKIDEXAMPLE" || part[3] != "eu-west-1" || part[4] != "monitoring" || !strings.Contains(part[5], "x-amz-security-token") {
		t.Errorf("signed as %q", part)
	}
	if signed(r, "Action=Y", "secret-key-012345") == nil || signed(r, "Action=X", "other") == nil {
		t.Error("the check of signatures cannot fail")
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "Action=X" {
		t.Errorf("the body is used up: %q, %v", body, err)
	}
	if diff := cmp.Diff([]string{"secret-key-012345", "session-token-0123"}, key.Secrets()); diff != "" {
		t.Error(diff)
	}
}

func TestARegionThatCouldBeAHostIsRefused(t *testing.T) {
	for region, fine := range map[string]bool{
		"eu-west-1": true, "us-gov-west-1": true, "cn-north-1": true, "ap-southeast-12": true,
		"": false, "moon": false, "eu-west-1.evil.example": false, "x/#": false, "EU-WEST-1": false, "eu-west-1\n": false,
	} {
		if _, err := environment(nil).Region(region); (err == nil) != fine {
			t.Errorf("%q: %v", region, err)
		}
	}
	if got, err := environment(map[string]string{"AWS_DEFAULT_REGION": "eu-west-2"}).Region(""); got != "eu-west-2" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if a, b := Host("sts", "eu-west-1"), Host("sts", "cn-north-1"); a != "sts.eu-west-1.amazonaws.com" || b != "sts.cn-north-1.amazonaws.com.cn" {
		t.Errorf("%s and %s", a, b)
	}
}

// cloud stands in for the token service, a container endpoint and the metadata service of an instance.
func cloud(t *testing.T, lasting time.Duration) (server *httptest.Server, asked *[]string) {
	asked = &[]string{}
	until := time.Now().Add(lasting).UTC().Format(time.RFC3339)
	document := func(name string) string {
		return fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":"secret of %s","Token":"token of %s","Expiration":%q}`, name, name, name, until)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sts", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		action, role := r.FormValue("Action"), r.FormValue("RoleArn")
		*asked = append(*asked, action+" "+role)
		switch {
		case r.FormValue("Version") != "2011-06-15" || r.FormValue("RoleSessionName") != "sluice-controller":
			t.Errorf("asked %v", r.Form)
		case action == "AssumeRoleWithWebIdentity" && r.FormValue("WebIdentityToken") != "web-token-012345":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>%s</Message></Error></ErrorResponse>", r.FormValue("WebIdentityToken"))
			return
		case action == "AssumeRole":
			if err := signed(r, string(body), "secret-key-012345"); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId>
			<SecretAccessKey>secret of %[2]s</SecretAccessKey><SessionToken>token of %[2]s</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`, action, role, until)
	})
	mux.HandleFunc("GET /pod", func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, "pod "+r.Header.Get("Authorization"))
		fmt.Fprint(w, document("pod"))
	})
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "instance-token") })
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/{role...}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "instance-token" {
			t.Error("asked the instance without a token")
		}
		*asked = append(*asked, "instance "+r.PathValue("role"))
		if role := r.PathValue("role"); role != "" {
			fmt.Fprint(w, document(role))
			return
		}
		fmt.Fprintln(w, "node")
	})
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, asked
}

// file writes a file that only this test knows.
func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const profiles = `
# two
[default]
aws_access_key_id = AKIDEFAULT
aws_secret_access_key = secret-default

[ other ]
aws_access_key_id=AKIDOTHER
aws_secret_access_key=secret=with=signs
aws_session_token=token-other
[role]
role_arn=arn:aws:iam::1:role/x
`

func TestTheCredentialsComeFromTheFirstSourceThatIsSetUp(t *testing.T) {
	server, asked := cloud(t, time.Hour)
	static := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-012345"}
	web := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "web-token-012345\n"), "AWS_ROLE_ARN": "arn:web", "AWS_ENDPOINT_URL_STS": server.URL + "/sts"}
	pod := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/pod", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file(t, "pod-token\n")}
	instance := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL + "/"}
	shared := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file(t, profiles)}
	join := func(all ...map[string]string) map[string]string {
		joined := map[string]string{"AWS_REGION": "eu-west-1"}
		for _, one := range all {
			for key, value := range one {
				joined[key] = value
			}
		}
		return joined
	}
	for name, test := range map[string]struct {
		variables map[string]string
		as        Identity
		want      []string
		asked     string
	}{
		"static keys before all others":    {join(static, web, pod, instance), Identity{}, []string{"AKIDEXAMPLE", "secret-key-012345", ""}, ""},
		"a web identity before a pod's":    {join(web, pod, instance), Identity{}, []string{"arn:web", "secret of arn:web", "token of arn:web"}, "AssumeRoleWithWebIdentity arn:web"},
		"a pod identity before instances":  {join(pod, instance), Identity{}, []string{"pod", "secret of pod", "token of pod"}, "pod pod-token"},
		"the instance as the last":         {join(instance), Identity{}, []string{"node", "secret of node", "token of node"}, "instance ,instance node"},
		"a profile before static keys":     {join(static, shared), Identity{Profile: "other"}, []string{"AKIDOTHER", "secret=with=signs", "token-other"}, ""},
		"the profile of the environment":   {join(shared, map[string]string{"AWS_PROFILE": "default"}), Identity{}, []string{"AKIDEFAULT", "secret-default", ""}, ""},
		"a role in the name of the static": {join(static, web), Identity{RoleARN: "arn:more"}, []string{"arn:more", "secret of arn:more", "token of arn:more"}, "AssumeRole arn:more"},
	} {
		t.Run(name, func(t *testing.T) {
			*asked = nil
			s := environment(test.variables)
			for range 2 { // the second time nobody is asked
				key, err := s.Key(t.Context(), "aps", "", test.as)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, []string{key.who.AccessKeyID, key.who.SecretAccessKey, key.who.SessionToken}); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(test.asked, strings.Join(*asked, ",")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCredentialsAreRenewedBeforeTheyEnd(t *testing.T) {
	server, asked := cloud(t, early-time.Minute)
	s := environment(map[string]string{"AWS_REGION": "eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/pod", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"})
	for range 2 {
		if _, err := s.Key(t.Context(), "aps", "", Identity{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(*asked) != 2 {
		t.Errorf("asked %q", *asked)
	}
}

func TestHowManyIdentitiesAreKeptIsBounded(t *testing.T) {
	s := environment(map[string]string{"AWS_REGION": "eu-west-1"})
	for i := range 3 * maxKnown {
		s.cache("eu-west-1", Identity{RoleARN: fmt.Sprint(i)})
	}
	if len(s.known) > maxKnown {
		t.Errorf("%d are kept", len(s.known))
	}
}

func TestMissingCredentialsAreExplainedWithoutAnySecret(t *testing.T) {
	server, _ := cloud(t, time.Hour)
	none := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			fmt.Fprint(w, "instance-token")
			return
		}
		fmt.Fprint(w, `{"Code":"Failed"}`)
	}))
	defer none.Close()
	for name, test := range map[string]struct {
		variables map[string]string
		as        Identity
		want      string
	}{
		"nothing at all":            {map[string]string{"AWS_EC2_METADATA_DISABLED": "TRUE"}, Identity{}, "the controller was given none"},
		"an instance without roles": {map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": none.URL}, Identity{}, "the answer holds no credentials"},
		"no instance":               {map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL + "/nowhere"}, Identity{}, "there is no instance to ask"},
		"no file of profiles":       {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "nowhere"}, Identity{Profile: "a"}, "opening the file of the profile a"},
		"no such profile":           {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file(t, profiles)}, Identity{Profile: "none"}, "the profile none has no aws_access_key_id"},
		"a profile without keys":    {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file(t, profiles)}, Identity{Profile: "role"}, "the profile role has no aws_access_key_id"},
		"no token of the pod":       {map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "nowhere"}, Identity{}, "reading the token of the controller"},
		"a refused web identity": {map[string]string{
			"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "wrong-token-0123"), "AWS_ROLE_ARN": "arn:web", "AWS_ENDPOINT_URL_STS": server.URL + "/sts",
		}, Identity{}, "InvalidIdentityToken"},
		"a role whose base is missing": {map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, Identity{RoleARN: "arn:more"}, "the controller was given none"},
	} {
		t.Run(name, func(t *testing.T) {
			test.variables["AWS_REGION"] = "eu-west-1"
			_, err := environment(test.variables).Key(t.Context(), "aps", "", test.as)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "wrong-token") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
