package cluster

import (
	"net/http"
	"net/url"
)

func proxyOf(text string) (func(*http.Request) (*url.URL, error), error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errNoURL
	}
	return http.ProxyURL(u), nil
}
