package service

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/sluice-delivery/sluice/analysis/outbound"
	"github.com/sluice-delivery/sluice/apis/rollouts/v1alpha1"
	"github.com/sluice-delivery/sluice/notify"
)

// timeout is how long one request may take.
const timeout = 10 * time.Second

// tryAgain are the answers of the range 400 to 499 after which another try may help.
var tryAgain = []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}

// ask makes a request and tells what its failure means.
func ask(ctx context.Context, q outbound.Question, user *account) ([]byte, error) {
	if q.Timeout == 0 {
		q.Timeout = timeout
	}
	if user != nil {
		q.Authentication = v1alpha1.Authentication{Basic: &v1alpha1.BasicAuth{Username: user.Username, Password: user.Password}}
		q.Secrets = append(q.Secrets, user.Password)
	}
	answer, err := outbound.Ask(ctx, q)
	if err == nil {
		return answer, nil
	}
	f := &notify.Failure{Err: errors.New(outbound.Hide(err.Error(), q.Secrets))} // the address is in it
	if refusal, ok := errors.AsType[*outbound.StatusError](err); ok {
		f.Final, f.Wait = refusal.Code < 500 && !slices.Contains(tryAgain, refusal.Code), refusal.Wait
	}
	return nil, f
}
