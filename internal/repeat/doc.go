// Package repeat lets tests that walk random paths always walk the same ones, unless somebody asks for others.
package repeat
