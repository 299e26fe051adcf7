// Package house keeps the plan of the code: which package may import which, which ones are pure, how long functions and files get.
// There is no code in it but the tests; the plan itself is the table at the top of rooms_test.go.
package house
