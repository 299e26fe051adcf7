package githubapp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// KeyPrivate is where the Secret of an app has its private key.
const KeyPrivate = "githubAppPrivateKey"

// Proof is the JWT with which an app proves who it is. It begins a minute ago, for clocks that differ, and ends within the ten minutes that are allowed.
func Proof(app string, key []byte, now time.Time) (string, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return "", errors.New(KeyPrivate + " is no key in the form PEM")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		other, _ := x509.ParsePKCS8PrivateKey(block.Bytes) // which is told below
		var isRSA bool
		if private, isRSA = other.(*rsa.PrivateKey); !isRSA {
			return "", errors.New(KeyPrivate + " is no RSA key")
		}
	}
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(8 * time.Minute).Unix(), "iss": app})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, hash[:])
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", KeyPrivate, err)
	}
	return text + "." + encode(signature), nil
}
