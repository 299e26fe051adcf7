package source

import (
	"bytes"
	"context"
	"crypto"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

// person has a key.
type person struct {
	entity *openpgp.Entity
	made   time.Time
}

// know has repositories know the keys of some people.
func (r *Repositories) know(signers map[string]string) {
	plain := r.Keys
	r.Keys = func(ctx context.Context) (Keys, error) {
		k, err := plain(ctx)
		k.Signers = signers
		return k, err
	}
}

func newPerson(t *testing.T, name string, made time.Time, lifetime uint32) person {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.com", &packet.Config{
		DefaultHash: crypto.SHA256, Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: lifetime, Time: func() time.Time { return made },
	})
	if err != nil {
		t.Fatal(err)
	}
	return person{e, made}
}

func (p person) id() string { return p.entity.PrimaryKey.KeyIdString() }

func (p person) public(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.entity.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// sign makes the latest commit one with a signature over signed, which is the commit itself if it is empty.
func (p person) sign(t *testing.T, r *remote, signed string) string {
	t.Helper()
	object := r.git(t, "cat-file", "commit", "HEAD") + "\n"
	if signed == "" {
		signed = object
	}
	var text bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&text, p.entity, strings.NewReader(signed), &packet.Config{Time: func() time.Time { return p.made }}); err != nil {
		t.Fatal(err)
	}
	return r.withSignature(t, object, text.String())
}

func (r *remote) withSignature(t *testing.T, object, signature string) string {
	t.Helper()
	headers, message, _ := strings.Cut(object, "\n\n")
	object = headers + "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(signature), "\n", "\n ") + "\n\n" + message
	cmd := exec.Command("git", "-C", r.dir, "hash-object", "-t", "commit", "-w", "--stdin")
	cmd.Stdin = strings.NewReader(object)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	sha := strings.TrimSpace(string(out))
	r.git(t, "reset", "-q", "--soft", sha)
	return sha
}

func TestOnlyCommitsWithTheSignaturesThatAProjectWantsAreFetched(t *testing.T) {
	alice, mallory := newPerson(t, "alice", time.Now(), 0), newPerson(t, "mallory", time.Now(), 0)
	late := newPerson(t, "late", time.Now().Add(-48*time.Hour), 3600)
	r := serve(t)
	unsigned := r.commit(t, "one")
	good := alice.sign(t, r, "")
	r.commit(t, "two")
	forged := mallory.sign(t, r, "")
	r.commit(t, "three")
	moved := alice.sign(t, r, "tree 0000\n\nanother commit\n")
	r.commit(t, "four")
	ssh := r.withSignature(t, r.git(t, "cat-file", "commit", "HEAD")+"\n", "-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----")
	r.commit(t, "five")
	expired := late.sign(t, r, "")
	r.commit(t, "six")
	afterForgery := alice.sign(t, r, "")

	all := repositories(t, r.url, canary)
	all.know(map[string]string{"alice": alice.public(t), "late": late.public(t), "mallory": mallory.public(t), "broken": "no key"})
	keys := func(ids ...string) (p gitopsv1.AppProjectSpec) {
		for _, id := range ids {
			p.SignatureKeys = append(p.SignatureKeys, gitopsv1.SignatureKey{KeyID: id})
		}
		return p
	}
	rule := func(repo, mode string, keys ...string) gitopsv1.AppProjectSpec {
		return gitopsv1.AppProjectSpec{SourceIntegrity: &gitopsv1.SourceIntegrity{Git: &gitopsv1.GitIntegrity{Policies: []gitopsv1.GitIntegrityPolicy{{
			Repos: []apiextensionsv1.JSON{{Raw: []byte(`"` + repo + `"`)}}, GPG: &gitopsv1.GPGPolicy{Mode: mode, Keys: keys},
		}}}}}
	}
	for name, c := range map[string]struct {
		project gitopsv1.AppProjectSpec
		commit  string
		refused string
	}{
		"signed by a key of the project":                      {keys(alice.id()), good, ""},
		"signed by one of two keys":                           {keys(mallory.id(), alice.id()), good, ""},
		"not signed":                                          {keys(alice.id()), unsigned, "it is not signed"},
		"signed by somebody else":                             {keys(alice.id()), forged, "not from a key that may sign"},
		"with the signature of another commit":                {keys(alice.id()), moved, "not from a key that may sign"},
		"signed with SSH":                                     {keys(alice.id()), ssh, "something else than OpenPGP"},
		"signed by a key that is no longer valid":             {keys(late.id()), expired, "expired"},
		"where the key is not known":                          {keys("0123456789ABCDEF"), good, "holds none of the keys"},
		"where the key id could be made up":                   {keys(alice.id()[8:]), good, "too short to be safe"},
		"where a policy wants the head signed":                {rule("http://**", "head", alice.id()), afterForgery, ""},
		"where a policy wants the head signed, and it is not": {rule("*", "head", alice.id()), unsigned, "it is not signed"},
		"where a policy wants all signed, and one is not":     {rule("*", "strict", alice.id(), late.id()), afterForgery, "not from a key that may sign"},
		"where a policy wants all signed, and all are":        {rule("*", "strict", alice.id()), good, ""},
		"where a policy is for another repository":            {rule("https://elsewhere/**", "head", alice.id()), unsigned, ""},
		"where a policy spells the repository differently":    {rule(strings.Replace(r.url, "http://", "http://x@", 1)+"/", "head", alice.id()), unsigned, "it is not signed"},
		"where a pattern of a policy cannot be read":          {rule("http://[", "head", alice.id()), good, "cannot be read"},
		"where a policy wants nothing":                        {rule("*", "none"), unsigned, ""},
		"where a policy names no key":                         {rule("*", "head"), good, "names no key"},
		"where a policy cannot be read":                       {rule("*", "most", alice.id()), good, "none of none, head and strict"},
	} {
		t.Run(name, func(t *testing.T) {
			w := want(r.url, "")
			w.Project = &gitopsv1.AppProject{Spec: c.project}
			got, err := all.Fetch(t.Context(), w, c.commit)
			if err == nil {
				got.Release()
			}
			if (err != nil) != (c.refused != "") || err != nil && (!strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), canary)) {
				t.Errorf("error %v, want %q", err, c.refused)
			}
		})
	}
}

func TestFilesThatAreThereStillAreVerifiedThoughTheirCloneBeganAnew(t *testing.T) {
	alice := newPerson(t, "alice", time.Now(), 0)
	r := serve(t)
	r.commit(t, "one")
	first := alice.sign(t, r, "")
	r.commit(t, "two")
	second := alice.sign(t, r, "")
	all := repositories(t, r.url, canary)
	all.know(map[string]string{"alice": alice.public(t)})
	w := want(r.url, "")
	w.Project = &gitopsv1.AppProject{Spec: gitopsv1.AppProjectSpec{SignatureKeys: []gitopsv1.SignatureKey{{KeyID: alice.id()}}}}
	for _, commit := range []string{first, second, first} {
		files, err := all.Fetch(t.Context(), w, commit)
		if err != nil {
			t.Fatalf("%s: %v", commit, err)
		}
		defer files.Release()
		for _, c := range all.clones {
			c.what.fetched = maxFetched
		}
	}
}

func TestChartsAreRefusedWhereCommitsMustBeSigned(t *testing.T) {
	all := &Repositories{Dir: t.TempDir(), Keys: keysFor("", "")}
	for _, s := range []gitopsv1.Source{{RepoURL: "https://host/charts", Chart: "web"}, {RepoURL: "oci://host/web"}} {
		w := gitsync.Want{Source: s, Project: &gitopsv1.AppProject{Spec: gitopsv1.AppProjectSpec{SignatureKeys: []gitopsv1.SignatureKey{{KeyID: "A"}}}}}
		if _, err := all.Fetch(t.Context(), w, "1.0.0"); err == nil || !strings.Contains(err.Error(), "carry no such signature") {
			t.Errorf("%s gives %v", s.RepoURL, err)
		}
	}
}
