package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
)

// Compact has etcd forget every revision but the newest, as it does of its own accord in a cluster every few minutes: whoever asks for what
// was before is told that it is gone.
func (c *Cluster) Compact(ctx context.Context) error {
	now, err := c.etcdRevision(ctx)
	if err != nil {
		return err
	}
	if err := c.askEtcd(ctx, "compaction", map[string]any{"revision": now, "physical": true}, &struct{}{}); err != nil {
		return fmt.Errorf("compacting etcd at revision %s: %w", now, err)
	}
	return nil
}

func (c *Cluster) etcdRevision(ctx context.Context) (json.Number, error) {
	now := struct {
		Header struct{ Revision json.Number }
	}{}
	if err := c.askEtcd(ctx, "range", map[string]any{"key": "AA==", "count_only": true}, &now); err != nil {
		return "", fmt.Errorf("asking etcd for its revision: %w", err)
	}
	return now.Header.Revision, nil
}

// askEtcd uses the JSON form of etcd's API, in which numbers are strings and keys base64.
func (c *Cluster) askEtcd(ctx context.Context, method string, question, answer any) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(c.dir, etcdSocket))
		},
	}}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://etcd/v3/kv/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return json.Unmarshal(text, answer)
}
