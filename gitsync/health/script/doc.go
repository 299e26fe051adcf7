// Package script runs the Lua scripts with which teams judge and change their objects.
//
// A script sees what it is given and nothing else: no file, process, network, clock or chance, and no way to load more code. What it may take
// is counted and not timed, so that it ends after the same work on every machine. The interpreter counts instructions; everything that could
// take much in a single instruction (joining texts, writing far beyond the end of a list, patterns) is rewritten before it is compiled, or
// replaced in the libraries, to pay for its size.
package script
