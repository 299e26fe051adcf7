package service

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sluice-delivery/sluice/notify"
)

// kinds makes a sender of each kind from its options.
var kinds = map[string]func(options []byte) (notify.Sender, error){
	"webhook":      newWebhook,
	"slack":        newSlack,
	"email":        newEmail,
	"alertmanager": newAlertmanager,
}

// New makes a sender of a kind from the YAML of its options. Kinds that are not built are refused by name.
func New(kind string, options []byte) (notify.Sender, error) {
	make, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("services of the kind %q are not supported; there are %s", kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	return make(options)
}

// parse reads options and refuses those that are not known: a wrong name would quietly do nothing.
func parse(options []byte, into any) error {
	if err := yaml.UnmarshalStrict(options, into); err != nil {
		return fmt.Errorf("its options cannot be read: %w", err)
	}
	return nil
}

// number is a whole number that may be written as a text, as one from a Secret is.
type number int

// UnmarshalJSON reads a number or the text of one.
func (n *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	value, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("this is no whole number where one is needed")
	}
	*n = number(value)
	return nil
}

// tuning are options of the format that have no effect, because retries and connections are the controller's own. They are known, so that a
// service that sets them goes on working.
type tuning struct {
	RetryWaitMin        any `json:"retryWaitMin"`
	RetryWaitMax        any `json:"retryWaitMax"`
	RetryMax            any `json:"retryMax"`
	MaxIdleConns        any `json:"maxIdleConns"`
	MaxIdleConnsPerHost any `json:"maxIdleConnsPerHost"`
	MaxConnsPerHost     any `json:"maxConnsPerHost"`
	IdleConnTimeout     any `json:"idleConnTimeout"`
}

// account is a user with a password.
type account struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// final is a failure that another try would repeat.
func final(format string, args ...any) error {
	return &notify.Failure{Err: fmt.Errorf(format, args...), Final: true}
}

// raw is JSON that a template wrote.
func raw(text, field string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	if !json.Valid([]byte(text)) {
		return nil, final("%s is not JSON after the template was filled in", field)
	}
	return json.RawMessage(text), nil
}
