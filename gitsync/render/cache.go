package render

import (
	"bytes"
	"compress/flate"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// maxRemembered bounds the memory for renderings, which are kept compressed.
	maxRemembered = 32 << 20
	// maxReads is how many places a rendering may have looked at to be remembered.
	maxReads = 10_000
	// exhaustedFor is how long a rendering that needed too much is not tried again for the same commits. How much it needs depends on the machine, too.
	exhaustedFor = 10 * time.Minute
	// Keys of entries that are no answers begin with these.
	slowPrefix, failedPrefix = "slow ", "failed "
)

// cache remembers the latest rendering of each question together with everything that it looked at, so that it holds for every commit at which
// all that is still the same.
type cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	// order begins with the entry that was used last.
	order list.List
	size  int
}

type entry struct {
	key string
	// revisions for which the answer is known to hold, by ref.
	revisions map[string]string
	// reads has what was found at the places that were looked at, by ref.
	reads map[string]map[string]string
	// cluster and revision had a part in the answer if they are not empty.
	cluster, revision string
	// text is the answer, compressed.
	text []byte
	// problem stands in the place of an answer, and is believed until then; for good if that is zero.
	problem string
	until   time.Time
}

// key is the question: what is asked for, without the commits and the versions of the cluster.
func (j job) key() (string, error) {
	o := j.order
	o.Revision, o.KubeVersion, o.APIVersions = "", "", nil
	repositories := map[string]string{}
	for name, part := range j.parts {
		repositories[name] = part.Source.RepoURL
	}
	text, err := json.Marshal([]any{o, repositories})
	if err != nil {
		return "", fmt.Errorf("reading what the source asks for: %w", err) // such as values that are nested too deeply
	}
	return fmt.Sprintf("%x", sha256.Sum256(text)), nil
}

func (j job) cluster() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(j.order.KubeVersion+"\n"+strings.Join(j.order.APIVersions, "\n"))))
}

// fits tells whether an answer does not depend on a commit, or on versions of a cluster, that are others now.
func (e *entry) fits(j job) bool {
	return (e.cluster == "" || e.cluster == j.cluster()) && (e.revision == "" || e.revision == j.order.Revision)
}

// atRevisions finds an answer that holds for the very commits that are asked about.
func (c *cache) atRevisions(key string, j job) (answer, bool) {
	e := c.find(key)
	if e == nil || !e.fits(j) || !maps.Equal(e.revisions, j.revisions()) {
		return answer{}, false
	}
	return e.answer()
}

// withFiles finds an answer for other commits in which everything that was looked at is the same.
func (c *cache) withFiles(ctx context.Context, key string, j job, files map[string]gitsync.Checkout) (answer, bool) {
	e := c.find(key)
	if e == nil || !e.fits(j) {
		return answer{}, false
	}
	for name, reads := range e.reads {
		for path, before := range reads {
			now, err := identity(ctx, files[name], path)
			if err != nil || now != before {
				return answer{}, false
			}
		}
	}
	a, ok := e.answer()
	if ok {
		again := *e
		again.revisions = j.revisions()
		c.put(&again)
	}
	return a, ok
}

// keep remembers an answer, unless nobody could tell when it holds.
func (c *cache) keep(ctx context.Context, key string, j job, files map[string]gitsync.Checkout, a answer, text []byte) {
	e := &entry{key: key, revisions: j.revisions(), reads: map[string]map[string]string{}}
	for name, paths := range a.Reads {
		if files[name].Tree == nil || len(paths) > maxReads {
			return
		}
		e.reads[name] = map[string]string{}
		for _, path := range paths {
			id, err := identity(ctx, files[name], path)
			if err != nil {
				return
			}
			e.reads[name][path] = id
		}
	}
	if a.OfCluster {
		e.cluster = j.cluster()
	}
	if a.OfRevision {
		e.revision = j.order.Revision
	}
	var err error
	if e.text, err = pack(text); err == nil {
		c.put(e)
	}
}

// packers are kept because each has more than half a MiB of tables.
var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is one that there is
	}
	return w
}}

func pack(text []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&packed)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err := w.Close()
	return bytes.Clone(packed.Bytes()), err
}

// keepFailure remembers why there are no manifests at some commits.
func (c *cache) keepFailure(key string, j job, err error, until time.Time) {
	c.put(&entry{key: failedPrefix + key, revisions: j.revisions(), cluster: j.cluster(), problem: err.Error(), until: until})
}

// failure gives the error with which the rendering of the very commits that are asked about has ended; nil if it has not.
func (c *cache) failure(key string, j job) error {
	e := c.find(failedPrefix + key)
	if e == nil || !e.fits(j) || !maps.Equal(e.revisions, j.revisions()) || !e.until.IsZero() && time.Now().After(e.until) {
		return nil
	}
	return errors.New(e.problem)
}

func (c *cache) isSlow(key string) bool { return c.find(slowPrefix+key) != nil }

// identity is what is at a path. One that ends with a slash is about whether there is a folder, not about what the folder holds.
func identity(ctx context.Context, checkout gitsync.Checkout, path string) (string, error) {
	if checkout.Tree == nil {
		return "", fmt.Errorf("the content of %s is not known", checkout.Revision)
	}
	plain := strings.TrimSuffix(path, "/")
	id, err := checkout.Tree(ctx, plain)
	if err == nil && plain != path && strings.HasPrefix(id, "tree ") {
		id = "tree"
	}
	return id, err
}

func (e *entry) answer() (answer, bool) {
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(e.text)))
	if err != nil {
		return answer{}, false
	}
	a, err := parse(text)
	return a, err == nil
}

func (c *cache) find(key string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[key]
	if at == nil {
		return nil
	}
	c.order.MoveToFront(at)
	return at.Value.(*entry)
}

// put remembers an entry, which nobody changes afterwards, and forgets those that were not used for longest.
func (c *cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]*list.Element{}
	}
	if old := c.entries[e.key]; old != nil {
		c.drop(old)
	}
	c.entries[e.key] = c.order.PushFront(e)
	c.size += e.cost()
	for c.size > maxRemembered && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

func (c *cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.entries[key]; at != nil {
		c.drop(at)
	}
}

func (c *cache) drop(at *list.Element) {
	e := c.order.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.size -= e.cost()
}

// cost is about what an entry needs of memory.
func (e *entry) cost() int {
	cost := 1024 + len(e.text) + len(e.problem)
	for _, reads := range e.reads {
		for path, id := range reads {
			cost += 64 + len(path) + len(id)
		}
	}
	return cost
}
