package source

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// cabinet lists its Secrets as a cache does: in any order.
type cabinet struct {
	client.Reader
	secrets []corev1.Secret
}

func (c cabinet) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	secrets, _ := list.(*corev1.SecretList)
	secrets.Items = c.secrets
	return nil
}

func (c cabinet) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

func TestTheSameSecretIsChosenWhateverTheirOrder(t *testing.T) {
	secret := func(name, kind, url, project string, more ...string) corev1.Secret {
		s := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, Labels: map[string]string{gitopsv1.LabelSecretType: kind}}}
		s.Data = map[string][]byte{"url": []byte(url), "project": []byte(project), "username": []byte(name)}
		for _, key := range more {
			s.Data[key] = []byte(name)
		}
		return s
	}
	const entry, template = gitopsv1.SecretTypeRepository, gitopsv1.SecretTypeRepoCreds
	for _, c := range []struct {
		name, url, project, want string
		secrets                  []corev1.Secret
	}{
		{"that of the project", "https://h/o/r", "p", "own", []corev1.Secret{secret("all", entry, "https://h/o/r", ""), secret("own", entry, "https://h/o/r", "p")}},
		{"never that of another project", "https://h/o/r", "p", "", []corev1.Secret{secret("other", entry, "https://h/o/r", "q")}},
		{"the first of two for all", "https://h/o/r", "p", "a", []corev1.Secret{secret("a", entry, "https://h/o/r", ""), secret("b", entry, "https://h/o/r", "")}},
		{"another spelling of the address", "HTTPS://H/o/r.git", "p", "a", []corev1.Secret{secret("a", entry, "https://h/o/r", "")}},
		{"SSH in its short form", "git@h:o/r", "p", "a", []corev1.Secret{secret("a", entry, "ssh://git@h/o/r.git", "")}},
		{"SSH is not HTTPS", "git@h:o/r", "p", "", []corev1.Secret{secret("a", entry, "https://h/o/r", "")}},
		{"the longest template", "https://h/o/r", "p", "long", []corev1.Secret{secret("a", template, "https://h", ""), secret("long", template, "https://h/o", ""), secret("z", template, "https://h/o/x", "")}},
		{"of two templates that of the project", "https://h/o/r", "p", "own", []corev1.Secret{secret("all", template, "https://h/o", ""), secret("own", template, "https://h/o", "p"), secret("q", template, "https://h/o", "q")}},
		{"the entry before a template", "https://h/o/r", "p", "a", []corev1.Secret{secret("a", entry, "https://h/o/r", ""), secret("b", template, "https://h/o/r", "")}},
		{"no template across a part of the path", "https://h/organisation/r", "p", "", []corev1.Secret{secret("a", template, "https://h/org", "")}},
		{"no Secret of another kind", "https://h/o/r", "p", "", []corev1.Secret{secret("a", gitopsv1.SecretTypeRepositoryWrite, "https://h/o/r", ""), secret("b", gitopsv1.SecretTypeCluster, "https://h/o/r", "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range c.secrets {
				c.secrets = append(c.secrets[1:], c.secrets[0])
				keys, err := KeysIn(cabinet{secrets: append([]corev1.Secret(nil), c.secrets...)}, "argocd")(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got, err := keys.choose(c.url, c.project, typeGit); err != nil || got.data["username"] != c.want {
					t.Errorf("chosen %q, error %v, want %q", got.data["username"], err, c.want)
				}
			}
		})
	}
}

func TestAnEntryWithoutCredentialsTakesThoseOfATemplateAndKeepsTheRest(t *testing.T) {
	for _, identity := range identityKeys {
		entry := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "entry", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}}}
		entry.Data = map[string][]byte{"url": []byte("https://h/o/r"), "insecure": []byte("true")}
		template := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "template", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepoCreds}}}
		template.Data = map[string][]byte{"url": []byte("https://h/o"), "githubAppID": []byte("7"), "insecure": []byte("false")}
		got, err := Keys{Secrets: []corev1.Secret{entry, template}}.choose("https://h/o/r", "p", typeGit)
		if err != nil || got.data["githubAppID"] != "7" || got.data["insecure"] != "true" {
			t.Errorf("without credentials: %v, %v", got.data, err)
		}
		entry.Data[identity] = []byte("mine")
		got, err = Keys{Secrets: []corev1.Secret{entry, template}}.choose("https://h/o/r", "p", typeGit)
		if got.data["githubAppID"] != "" {
			t.Errorf("with %s of its own: %v, %v", identity, got.data, err)
		}
	}
}

func TestCredentialsThatAreNotBuiltAreRefusedByName(t *testing.T) {
	for _, key := range unbuiltKeys {
		s := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "one", Labels: map[string]string{gitopsv1.LabelSecretType: gitopsv1.SecretTypeRepository}}}
		s.Data = map[string][]byte{"url": []byte("https://h/o/r"), key: []byte(canary)}
		_, err := Keys{Secrets: []corev1.Secret{s}}.choose("https://h/o/r", "p", typeGit)
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", key, err)
		}
		s.Data[key] = []byte("false")
		if _, err := (Keys{Secrets: []corev1.Secret{s}}).choose("https://h/o/r", "p", typeGit); err != nil {
			t.Errorf("%s is off: %v", key, err)
		}
	}
}

func TestAnUnknownHostOfSSHIsRefusedUnlessTheSecretSaysOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		data   map[string]string
		strict bool
	}{
		"by itself":             {map[string]string{}, true},
		"with a key":            {map[string]string{"sshPrivateKey": "key"}, true},
		"insecureIgnoreHostKey": {map[string]string{"insecureIgnoreHostKey": "true"}, false},
		"insecure":              {map[string]string{"insecure": "true"}, false},
		"said to be off":        {map[string]string{"insecureIgnoreHostKey": "false", "insecure": "no"}, true},
	} {
		written := map[string]string{}
		got := sshCommand(c.data, "h ssh-ed25519 AAAA", func(name, text string) string {
			written[name] = text
			return "/private/" + name
		})
		if strict := strings.Contains(got, "StrictHostKeyChecking=yes") && written["known_hosts"] == "h ssh-ed25519 AAAA"; strict != c.strict {
			t.Errorf("%s: %s", name, got)
		}
		if key := c.data["sshPrivateKey"]; key != "" && (written["key"] != key+"\n" || !strings.Contains(got, "-i '/private/key'")) {
			t.Errorf("%s: %s, written %q", name, got, written)
		}
	}
}
