// Command prepare builds the servers that tests and the demo need, and prints where they are.
package main
