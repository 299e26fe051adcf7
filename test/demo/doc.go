// Command demo plays four releases on a real control plane with real requests, each of them a git push: version 1 serves, version 2 is good and
// promoted, version 3 is bad, taken back, and its commit held, and version 4 goes out by itself.
//
// On a terminal it draws a picture that lives, and stays up afterwards for people to try things; elsewhere it prints a line for each thing
// that happens. With -unattended it checks what is claimed against what was observed, prints a table of it, and exits with 0 or 1.
package main
