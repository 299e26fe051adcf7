// Package sandbox fills texts that nobody has checked with parameters that nobody has checked.
//
// It speaks the two languages of ApplicationSets: plain {{placeholders}}, and text/template with the functions of sprig. The same input gives
// the same text: there is no clock, no chance and no machine to look at. Memory and work are bounded by a budget of steps and not by time, so
// that a text is refused on every machine or on none; parsed templates are rewritten to pay for each loop and each call.
package sandbox
