// Package githubapp proves to GitHub who an app is.
package githubapp
